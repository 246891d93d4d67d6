import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { pipe } from '../../src/core/batch-stream.ts'
import { collector } from '../../src/core/collect.ts'
import type { RequestContext } from '../../src/core/dialect-route.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import type { Encoder, TextWriter } from '../../src/core/reply-encoder.ts'
import { chain } from '../../src/core/transform.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { gemini } from '../../src/dialects/gemini/index.ts'
import { ollamaChat, ollamaGenerate } from '../../src/dialects/ollama/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { learnUsage } from '../../src/gateway/learn-usage.ts'
import { loopGuard } from '../../src/gateway/loop-guard.ts'
import { type ByteRange, rangeOf } from '../../src/http-client/byte-range.ts'
import { decoder } from '../../src/upstreams/chat-completions/decode.ts'
import { usualSettings, zaiErrors } from '../../src/upstreams/zai-api/errors.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { manualClock } from '../support/clock.ts'
import { runs } from '../support/effort.ts'
import { requestContext } from '../support/request-context.ts'
import { normaliser, type Transforms, transforms } from './direct-writing.ts'

const head = {
  id: 'reply',
  model: 'glm-4.6',
  createdAtSeconds: 1_700_000_000,
  completedAtSeconds: () => 1_700_000_007,
  reasoningByName: true,
}
const messages = [{ role: 'user', content: 'Hi' }]

const encoders: Record<string, () => Encoder> = {
  chat: () => encoderOf(openaiChat, { model: 'glm-4.6', messages }),
  'chat with reasoning in two fields': () =>
    openaiChat.encoder({ ...head, reasoningField: 'both' }, { includeUsage: false, legacyFunctions: false }),
  messages: () => encoderOf(anthropicMessages, { model: 'glm-4.6', max_tokens: 1000, messages }),
  responses: () => encoderOf(openaiResponses, { model: 'glm-4.6', input: 'Hi' }),
  'responses with summaries': () =>
    encoderOf(openaiResponses, { model: 'glm-4.6', input: 'Hi', reasoning: { summary: 'auto' } }),
  completions: () => encoderOf(openaiCompletions, { model: 'glm-4.6', prompt: 'Hi' }),
  gemini: () => gemini.encoder(head, { showsThoughts: true }),
  'gemini as an array': () =>
    gemini.encoder({ ...head, reasoningByName: false }, { showsThoughts: false, isArray: true }),
  'Ollama chat': () => encoderOf(ollamaChat, { model: 'glm-4.6', messages }),
  'Ollama generate': () => encoderOf(ollamaGenerate, { model: 'glm-4.6', prompt: 'Hi' }),
}

function encoderOf<Options>(
  dialect: {
    decode(body: unknown, context: RequestContext): { options: Options }
    encoder(h: typeof head, o: Options): Encoder
  },
  body: object,
): Encoder {
  return dialect.encoder(head, dialect.decode(body, requestContext()).options)
}

interface Delivered {
  /** A character for each byte. */
  written: string
  reply: unknown
  /** Events whose text was written directly. */
  direct: number
}

interface Way {
  /** Bytes of one network read. */
  size: number
  /** Whether the client takes more of what is written directly, by number; nothing is, without. */
  takes?: (write: number) => boolean
}

/** A reply through everything between its bytes and the client's. */
function deliver(
  bytes: Buffer,
  { sorting, rules, checks, learns, wraps = (reply) => reply }: Transforms,
  encoder: Encoder,
  { size, takes }: Way,
): Promise<Delivered> {
  let at = 0
  const pieces = {
    next(onPiece: (piece: ByteRange | undefined) => void) {
      // What is read is overwritten by the next read, as anything may be that is not kept.
      const piece = Buffer.from(bytes.subarray(at, at + size))
      at += size
      queueMicrotask(() => onPiece(piece.length > 0 ? rangeOf(piece) : undefined))
    },
    cancel() {},
  }
  const plain = decoder({ tools: [], errors: zaiErrors(usualSettings), now: () => 0, annotate() {} })
  const { signal } = new AbortController()
  const options = { label: 'Z.AI', decoder: plain, clock: manualClock(), signal }
  const deltas = sseDeltas(pieces, { ...options, idleMs: 1_000 })
  const rest = sorting ? pipe(deltas, sorting) : deltas
  const strict = normaliser()
  const events = learns ? learnUsage(strict, () => {}) : strict
  const ruled = rules ? chain(rules, events) : events
  const transform = checks ? chain(ruled, checks) : ruled
  const collected = collector()
  let written = ''
  let direct = 0
  let writes = 0
  const counting: Encoder = {
    push: encoder.push,
    end: encoder.end,
    textWriter() {
      const writer = takes && encoder.textWriter?.()
      return writer && { ...writer, write: counted(writer) }
    },
  }
  const writers = new Map<TextWriter, TextWriter['write']>()
  return new Promise((resolve, reject) => {
    const pipe = pipeline({
      encoder: counting,
      onEvent(event) {
        collected.push(event)
        return event
      },
      writeDirectly(text) {
        written += typeof text === 'string' ? byBytes(text) : Buffer.from(text).toString('latin1')
        return takes?.(writes++) ? 'go on' : 'catch up'
      },
      onBroken: reject,
    })
    pipe.begin(wraps({ first: [], rest, transform }))
    pipe.next(onText)

    function onText(text: string, isLast: boolean): void {
      written += byBytes(text)
      if (!isLast) {
        pipe.next(onText)
        return
      }
      const reply = collected.result()
      resolve({ written, reply: reply instanceof Error ? reply.message : reply, direct })
    }
  })

  function counted(writer: TextWriter): TextWriter['write'] {
    const known = writers.get(writer)
    if (known) return known
    const write: TextWriter['write'] = (texts) => {
      direct += texts.length
      return writer.write(texts)
    }
    writers.set(writer, write)
    return write
  }
}

function byBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

const event = (delta: object, rest: object = {}) =>
  `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta: { role: 'assistant', ...delta }, ...rest }] })}\n\n`
const said = (text: string) => event({ content: text })
const found = `data: ${JSON.stringify({ web_search: [{ refer: 'ref_1', title: 'Riga', link: 'https://riga.example' }] })}\n\n`
const usage = { prompt_tokens: 9, completion_tokens: 9 }
const ending = `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage })}\n\ndata: [DONE]\n\n`

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '\n',
    '"',
    '\\',
    '\\n',
    '"}}]}',
    'END',
    'EN',
    '\n\n',
    '<tool_call>look',
    '<think>',
    '</think>',
    '</thi',
    'nk>',
    '<',
    '`',
    '</tool_call>',
    '```',
    '\u2028',
    '[ref_1]',
    '[re',
    '[1](https://riga.example)',
    '\ud83d',
    '\u0007',
  ),
)
const anyEvent = fc.oneof(
  { weight: 8, arbitrary: anyText.map(said) },
  { weight: 4, arbitrary: anyText.map((text) => event({ reasoning_content: text })) },
  // Not as JSON.stringify has it.
  { weight: 2, arbitrary: anyText.map((text) => said(text).replaceAll('a', '\\u0061').replaceAll('/', '\\/')) },
  {
    weight: 1,
    arbitrary: fc.constant(event({ tool_calls: [{ index: 0, id: 'c', function: { name: 'look', arguments: '{}' } }] })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(found, ': ping\n\n', 'data: {"choices":[]}\n\n', 'data: nonsense\n\n', '\n'),
  },
)
const anyReply = fc
  .tuple(
    fc.array(
      fc.oneof(
        anyEvent,
        fc.array(anyText.map(said), { minLength: 5 }).map((all) => all.join('')),
      ),
    ),
    fc.boolean(),
    fc.option(fc.nat(), { freq: 4 }),
  )
  .map(([events, ends, broken]) => withBrokenByte(Buffer.from(events.join('') + (ends ? ending : '')), broken))

/** One that is no part of any character. */
function withBrokenByte(bytes: Buffer, place: number | null): Buffer {
  if (place !== null && bytes.length > 0) bytes[place % bytes.length] = 0xff
  return bytes
}

for (const [name, { make }] of Object.entries(transforms))
  describe(`with ${name}, what is written directly changes nothing in`, () => {
    test.each(Object.entries(encoders))('%s', async (_name, encoder) => {
      await fc.assert(
        fc.asyncProperty(
          anyReply,
          fc.integer({ min: 1, max: 700 }),
          fc.integer({ min: 1, max: 4 }),
          async (bytes, size, n) => {
            const { written, reply } = await deliver(bytes, make(), encoder(), { size: bytes.length + 1 })
            for (const way of [
              { size },
              { size, takes: () => true },
              { size, takes: (write: number) => write % n > 0 },
            ])
              expect(await deliver(bytes, make(), encoder(), way)).toMatchObject({ written, reply })
          },
        ),
        { numRuns: runs(40) },
      )
    })
  })

describe('written directly is', () => {
  const words = Array.from({ length: 3_000 }, (_, at) => `word ${at} "né"\n`)
  const speech = Buffer.from(words.map(said).join('') + ending)
  const reasoning = Buffer.from(words.map((text) => event({ reasoning_content: text })).join('') + ending)

  test.each<[string, Buffer, string, string, number]>([
    ['the answer, in chat', speech, 'the guard against loops', 'chat', 2_900],
    ['the answer, in messages', speech, 'the guard against loops', 'messages', 2_900],
    ['the answer, in responses', speech, 'the guard against loops', 'responses', 2_900],
    ['the answer, in lines', speech, 'the guard against loops', 'Ollama chat', 2_900],
    ['the reasoning, in lines', reasoning, 'the guard against loops', 'Ollama generate', 2_900],
    ['the reasoning', reasoning, 'the guard against loops', 'messages', 2_900],
    ['the reasoning in two fields', reasoning, 'the guard against loops', 'chat with reasoning in two fields', 2_900],
    ['the answer in front of calls', speech, 'calls written as text', 'messages', 2_900],
    ['the reasoning in front of calls', reasoning, 'calls written as text', 'messages', 2_900],
    ['the answer without tags', speech, 'tags of reasoning', 'chat', 2_900],
    ['the reasoning without tags', reasoning, 'tags of reasoning', 'messages', 2_900],
    ['the answer without tags or calls', speech, 'tags of reasoning and calls written as text', 'responses', 2_900],
    ['the reasoning where an answer has to stop', reasoning, 'stop sequences', 'chat', 2_900],
  ])('%s', async (_name, bytes, rule, dialect, least) => {
    for (const size of [150, 20_000, bytes.length]) {
      const way = { size, takes: () => true }
      const { direct } = await deliver(bytes, transformNamed(rule), encoderNamed(dialect), way)
      expect(direct).toBeGreaterThan(least)
    }
  })

  test.each<[string, Buffer, string]>([
    ['no answer that has to stop somewhere', speech, 'stop sequences'],
    ['no reasoning that goes elsewhere', reasoning, 'reasoning in tags'],
  ])('%s', async (_name, bytes, rule) => {
    const way = { size: 150, takes: () => true }
    expect((await deliver(bytes, transformNamed(rule), encoderNamed('chat'), way)).direct).toBe(0)
  })

  test('no loop without end', async () => {
    const loop = Buffer.from(said('again and ').repeat(5_000) + ending)
    const rules = loopGuard(2_000)
    const { written, direct } = await deliver(loop, { rules }, encoderNamed('chat'), { size: 400, takes: () => true })
    expect(written).toContain('repetition_loop')
    expect(direct).toBeGreaterThan(200)
    expect(direct).toBeLessThan(2_000)
  })
})

function encoderNamed(name: string): Encoder {
  const make = encoders[name]
  if (!make) throw new Error(`no dialect ${name}`)
  return make()
}

function transformNamed(name: string): Transforms {
  const found = transforms[name]
  if (!found) throw new Error(`no transform ${name}`)
  return found.make()
}
