import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { collector } from '../src/core/collect.ts'
import type { Encoder } from '../src/core/dialect.ts'
import { GatewayError } from '../src/core/errors.ts'
import type { Delta, StreamEvent } from '../src/core/events.ts'
import { isFinal } from '../src/core/events.ts'
import { grammar } from '../src/core/grammar.ts'
import { chain, type Machine } from '../src/core/machine.ts'
import { type FastPath, piped } from '../src/core/source.ts'
import { anthropicMessages } from '../src/dialects/anthropic-messages/index.ts'
import { openaiChat } from '../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../src/dialects/openai-responses/index.ts'
import { loopGuard } from '../src/gateway/loop-guard.ts'
import { stopAt } from '../src/gateway/stop.ts'
import { thinking } from '../src/gateway/thinking.ts'
import { toolRules } from '../src/gateway/tool-rules.ts'
import { channels } from '../src/prompted-tools/channels.ts'
import { toolCallParser } from '../src/prompted-tools/parse.ts'
import { decoder } from '../src/upstreams/chat-completions/decode.ts'
import { usualSettings, zaiErrors } from '../src/upstreams/zai-api/errors.ts'
import { type Piece, pieceOf } from '../src/wire/piece.ts'
import { sseDeltas } from '../src/wire/sse.ts'
import { manualClock } from './support/clock.ts'

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
}

function encoderOf<Options>(
  dialect: {
    decode(body: unknown, headers: Headers): { options: Options }
    encoder(h: typeof head, o: Options): Encoder
  },
  body: object,
): Encoder {
  return dialect.encoder(head, dialect.decode(body, new Headers()).options)
}

const tool = { name: 'look', description: '', parameters: { type: 'object', properties: {} } }

const inChannels = {
  scanLimit: 1_000,
  frames: false,
  empty: () => new GatewayError('upstream-malformed', 'empty'),
  note() {},
}

const rules: Record<string, () => Machine<Delta, Delta>> = {
  'no rule': () => thinking('think'),
  'the guard against loops': () => loopGuard(200),
  'stop sequences': () => stopAt(['END', '\n\n\n']),
  'thinking in tags': () => thinking('tags'),
  'no thinking': () => thinking('strip'),
  'a tool that must be called': () => toolRules({ choice: 'required', parallel: true, mustCall: true, note() {} }),
  'calls written as text': () => toolCallParser([tool], { scanLimit: 1_000 }),
  'tags of thinking': () => channels({ ...inChannels, tools: [] }),
  'tags of thinking and calls written as text': () =>
    chain(channels({ ...inChannels, tools: [tool] }), toolCallParser([tool], { scanLimit: 1_000 })),
}

interface Told {
  /** A character for each byte. */
  written: string
  reply: unknown
  /** Events that took the fast path. */
  passed: number
}

interface Way {
  /** Bytes of one network read. */
  size: number
  /** Whether the client takes pieces on the fast path, by their number; nobody offers it without. */
  takes?: (write: number) => boolean
}

/** A reply through everything between its bytes and the client's. */
async function tell(bytes: Buffer, rule: Machine<Delta, Delta>, encoder: Encoder, { size, takes }: Way): Promise<Told> {
  let at = 0
  const pieces = {
    next(hear: (piece: Piece | undefined) => void) {
      // What is read is overwritten by the next read, as anything may be that is not kept.
      const piece = Buffer.from(bytes.subarray(at, at + size))
      at += size
      queueMicrotask(() => hear(piece.length > 0 ? pieceOf(piece) : undefined))
    },
    cancel() {},
  }
  const reader = decoder({ tools: [], errors: zaiErrors(usualSettings), now: () => 0, note() {} })
  const options = { decoder: reader, clock: manualClock(), signal: new AbortController().signal, idleMs: 1_000 }
  const rest = grammar({ newToolCallId: () => 'call_1', inputTokens: 1, countTokens: (text) => text.length })
  const events = piped(piped(sseDeltas(pieces, options), rule, isFinal), rest, isLast)
  const gathered = collector()
  let written = ''
  let passed = 0
  let writes = 0
  await new Promise<void>((resolve) => {
    ask()

    function ask(): void {
      events.next((batch) => {
        const out: string[] = []
        for (const event of batch ?? []) {
          gathered.push(event)
          encoder.push(event, out)
        }
        written += byBytes(out.join(''))
        if (batch === undefined || batch.some(isLast)) resolve()
        else ask()
      }, path())
    }

    function path(): FastPath | undefined {
      const prose = takes && encoder.prose?.()
      if (!prose) return undefined
      return {
        kind: prose.kind,
        write(texts, areBytes) {
          written += areBytes ? prose.write(texts) : byBytes(prose.write(texts))
          passed += texts.length
          return takes?.(writes++) ? 'go on' : 'catch up'
        },
      }
    }
  })
  const reply = gathered.result()
  return { written, reply: reply instanceof Error ? reply.message : reply, passed }
}

function byBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function isLast({ type }: StreamEvent): boolean {
  return type === 'message-end' || type === 'error'
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

for (const [ruleName, rule] of Object.entries(rules))
  describe(`with ${ruleName}, the fast path changes nothing in`, () => {
    test.each(Object.entries(encoders))('%s', async (_name, encoder) => {
      await fc.assert(
        fc.asyncProperty(
          anyReply,
          fc.integer({ min: 1, max: 700 }),
          fc.integer({ min: 1, max: 4 }),
          async (bytes, size, n) => {
            const { written, reply } = await tell(bytes, rule(), encoder(), { size: bytes.length + 1 })
            for (const way of [
              { size },
              { size, takes: () => true },
              { size, takes: (write: number) => write % n > 0 },
            ])
              expect(await tell(bytes, rule(), encoder(), way)).toMatchObject({ written, reply })
          },
        ),
        { numRuns: 40 },
      )
    })
  })

describe('takes the fast path:', () => {
  const words = Array.from({ length: 300 }, (_, at) => `word ${at} "né"\n`)
  const speech = Buffer.from(words.map(said).join('') + ending)
  const thoughts = Buffer.from(words.map((text) => event({ reasoning_content: text })).join('') + ending)

  test.each<[string, Buffer, string, string, number]>([
    ['the answer, in chat', speech, 'the guard against loops', 'chat', 290],
    ['the answer, in messages', speech, 'the guard against loops', 'messages', 290],
    ['the answer, in responses', speech, 'the guard against loops', 'responses', 290],
    ['the thinking', thoughts, 'the guard against loops', 'messages', 290],
    ['the thinking in two fields', thoughts, 'the guard against loops', 'chat with reasoning in two fields', 290],
    ['the answer in front of calls', speech, 'calls written as text', 'messages', 290],
    ['the thinking in front of calls', thoughts, 'calls written as text', 'messages', 290],
    ['the answer without tags', speech, 'tags of thinking', 'chat', 290],
    ['the thinking without tags', thoughts, 'tags of thinking', 'messages', 290],
    ['the answer without tags or calls', speech, 'tags of thinking and calls written as text', 'responses', 290],
    ['the thinking where an answer has to stop', thoughts, 'stop sequences', 'chat', 290],
  ])('%s', async (_name, bytes, rule, dialect, least) => {
    for (const size of [150, bytes.length]) {
      const way = { size, takes: () => true }
      const { passed } = await tell(bytes, ruleNamed(rule), encoderNamed(dialect), way)
      expect(passed).toBeGreaterThan(least)
    }
  })

  test.each<[string, Buffer, string]>([
    ['no answer that has to stop somewhere', speech, 'stop sequences'],
    ['no thinking that goes elsewhere', thoughts, 'thinking in tags'],
  ])('%s', async (_name, bytes, rule) => {
    const way = { size: 150, takes: () => true }
    expect((await tell(bytes, ruleNamed(rule), encoderNamed('chat'), way)).passed).toBe(0)
  })

  test('a loop ends it', async () => {
    const loop = Buffer.from(said('again and ').repeat(5_000) + ending)
    const { written, passed } = await tell(loop, loopGuard(2_000), encoderNamed('chat'), {
      size: 400,
      takes: () => true,
    })
    expect(written).toContain('repetition_loop')
    expect(passed).toBeGreaterThan(200)
    expect(passed).toBeLessThan(2_000)
  })
})

function encoderNamed(name: string): Encoder {
  const make = encoders[name]
  if (!make) throw new Error(`no dialect ${name}`)
  return make()
}

function ruleNamed(name: string): Machine<Delta, Delta> {
  const make = rules[name]
  if (!make) throw new Error(`no rule ${name}`)
  return make()
}
