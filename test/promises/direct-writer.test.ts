import { describe, expect, test } from 'bun:test'
import { Glob } from 'bun'
import fc from 'fast-check'
import { pipe } from '../../src/core/batch-stream.ts'
import { collector } from '../../src/core/collect.ts'
import type { RequestContext } from '../../src/core/dialect-route.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import type { McpCall, McpServer } from '../../src/core/mcp.ts'
import { pipeline, type ReplyStream } from '../../src/core/pipeline.ts'
import type { Encoder, TextWriter } from '../../src/core/reply-encoder.ts'
import { streamNormaliser } from '../../src/core/stream-normaliser.ts'
import { clientToolNames, withLegalToolNames } from '../../src/core/tool-names.ts'
import { chain, type Transform } from '../../src/core/transform.ts'
import type { Model, Upstream } from '../../src/core/upstream.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { gemini } from '../../src/dialects/gemini/index.ts'
import { ollamaChat, ollamaGenerate } from '../../src/dialects/ollama/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { learnUsage } from '../../src/gateway/learn-usage.ts'
import { loopGuard } from '../../src/gateway/loop-guard.ts'
import { outputLimit } from '../../src/gateway/output-limit.ts'
import { placeReasoning } from '../../src/gateway/reasoning-placement.ts'
import { replyRules } from '../../src/gateway/reply-rules.ts'
import { stopAt } from '../../src/gateway/stop-sequences.ts'
import { toolArguments } from '../../src/gateway/tool-arguments.ts'
import { toolRules } from '../../src/gateway/tool-rules.ts'
import { searchFilter } from '../../src/gateway/web-search.ts'
import { type ByteRange, rangeOf } from '../../src/http-client/byte-range.ts'
import type { HostedTools } from '../../src/mcp/hosted-tools.ts'
import { rounds } from '../../src/mcp/rounds.ts'
import { channels } from '../../src/prompted-tools/channels.ts'
import { withoutDoubledCalls } from '../../src/prompted-tools/doubled-calls.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { decoder } from '../../src/upstreams/chat-completions/decode.ts'
import { usualSettings, zaiErrors } from '../../src/upstreams/zai-api/errors.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { manualClock } from '../support/clock.ts'
import { runs } from '../support/effort.ts'
import { replyOf } from '../support/replies.ts'
import { plainRequest } from '../support/request.ts'
import { requestContext } from '../support/request-context.ts'
import { validateHere } from '../support/schema.ts'

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

const tool = { name: 'look', description: '', parameters: { type: 'object', properties: {} } }

const inChannels = {
  scanLimit: 1_000,
  frames: false,
  whole: false,
  empty: () => new GatewayError('upstream-malformed', 'empty'),
  annotate() {},
}

/** What a reply goes through in one of the cases, besides the decoder, the stream normaliser and the encoder. */
interface Transforms {
  /** Behind the decoder. */
  sorting?: Transform<Delta, Delta>
  /** In front of the stream normaliser, and behind it. */
  rules?: Transform<Delta, Delta>
  checks?: Transform<StreamEvent, StreamEvent>
  /** Counts usage. */
  learns?: true
  /** Around the whole reply. */
  wraps?: (reply: ReplyStream) => ReplyStream
}

/** Each with the file it comes from: a transform that is in none of them could change what is written directly. */
const transforms: Record<string, { file: string; make: () => Transforms }> = {
  'no rule': { file: 'core/stream-normaliser.ts', make: () => ({}) },
  'names that are restored': {
    file: 'core/tool-names.ts',
    make: () => {
      const { restore } = withLegalToolNames(plainRequest({ tools: [{ ...tool, name: 'a/b' }] }))
      return restore ? { sorting: restore } : {}
    },
  },
  'names in errors': {
    file: 'core/tool-names.ts',
    make: () => {
      const names = clientToolNames([{ ...tool, clientName: 'a/b' }])
      return names ? { checks: names.inEvents } : {}
    },
  },
  'tags of reasoning': {
    file: 'prompted-tools/channels.ts',
    make: () => ({ sorting: channels({ ...inChannels, tools: [] }) }),
  },
  'calls written as text': {
    file: 'prompted-tools/parse.ts',
    make: () => ({ sorting: toolCallParser([tool], { scanLimit: 1_000 }) }),
  },
  'tags of reasoning and calls written as text': {
    file: 'prompted-tools/parse.ts',
    make: () => ({
      sorting: chain(channels({ ...inChannels, tools: [tool] }), toolCallParser([tool], { scanLimit: 1_000 })),
    }),
  },
  'calls that are written and made as well': {
    file: 'prompted-tools/doubled-calls.ts',
    make: () => ({ sorting: chain(toolCallParser([tool], { scanLimit: 1_000 }), withoutDoubledCalls()) }),
  },
  'a learned usage': { file: 'gateway/learn-usage.ts', make: () => ({ learns: true }) },
  'the guard against loops': { file: 'gateway/loop-guard.ts', make: () => ({ rules: loopGuard(200) }) },
  'a budget': { file: 'gateway/output-limit.ts', make: () => ({ rules: outputLimit(40, (text) => text.length) }) },
  'stop sequences': { file: 'gateway/stop-sequences.ts', make: () => ({ rules: stopAt(['END', '\n\n\n']) }) },
  'reasoning in tags': { file: 'gateway/reasoning-placement.ts', make: () => ({ rules: placeReasoning('tags') }) },
  'no reasoning': { file: 'gateway/reasoning-placement.ts', make: () => ({ rules: placeReasoning('strip') }) },
  'reasoning as it is': { file: 'gateway/reasoning-placement.ts', make: () => ({ rules: placeReasoning('think') }) },
  'searches that are shown': {
    file: 'gateway/web-search.ts',
    make: () => ({ rules: searchFilter(plainRequest({ search: true })) }),
  },
  'a tool that must be called': {
    file: 'gateway/tool-rules.ts',
    make: () => ({ rules: toolRules({ choice: 'required', parallel: true, mustCall: true, annotate() {} }) }),
  },
  'all rules': {
    file: 'gateway/reply-rules.ts',
    make: () => ({
      rules: replyRules(
        { upstream: anyUpstream, model: anyModel, request: plainRequest({ parallelToolCalls: false }) },
        { loopLimit: 200, countTokens: (text) => text.length, annotate() {} },
      ),
    }),
  },
  'calls of a server, and a second round': { file: 'mcp/rounds.ts', make: () => ({ wraps: twoRounds }) },
  'arguments that are checked': {
    file: 'gateway/tool-arguments.ts',
    make: () => {
      const { signal } = new AbortController()
      const checks = toolArguments({
        tools: [{ ...tool, strict: true }],
        validate: validateHere,
        signal,
        annotate() {},
      })
      return checks ? { checks } : {}
    },
  },
}

/** Each call of `look` is answered, and the model says something more then. */
function twoRounds(first: ReplyStream): ReplyStream {
  const server: McpServer = { label: 's', url: '', param: '', headers: {}, approval: 'never' }
  const offered = { server, tool: { name: 'look', inputSchema: {} }, needsApproval: false }
  const session: HostedTools = {
    completed: async (request) => request,
    tools: () => [],
    prelude: () => [],
    toolOf: (name) => (name === 'look' ? offered : undefined),
    async run({ id, arguments: args }) {
      const call: McpCall = { type: 'call', id, server: 's', tool: 'look', arguments: args, result: { output: 'seen' } }
      return { call, parts: [{ type: 'text', text: 'seen' }] }
    },
    exhausted: () => undefined,
    close() {},
  }
  const more = () =>
    replyOf([
      [
        { type: 'text', text: 'More.' },
        { type: 'finish', reason: 'stop' },
      ],
    ])
  return rounds(first, {
    hosted: session,
    request: () => plainRequest({ tools: [tool] }),
    most: 9,
    startRound: async () => ({ ...more(), transform: normaliser() }),
    annotate() {},
  })
}

function normaliser() {
  return streamNormaliser({ newToolCallId: () => 'call_1', inputTokens: 1, countTokens: (text) => text.length })
}

const anyModel: Model = {
  id: 'm',
  upstreamId: 'm',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'on-request',
  search: true,
}
const anyUpstream: Upstream = {
  id: 'u',
  models: async () => [anyModel],
  ignored: () => [],
  check: async () => {},
  open: async () => replyOf([]),
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

describe('nothing that may change a text is missing above:', () => {
  /** Files of src that say it, without those that only hand it on. */
  const saying = async (pattern: RegExp, handOn: readonly string[]) => {
    const found: string[] = []
    for (const path of new Glob('**/*.ts').scanSync('src'))
      if (pattern.test(await Bun.file(`src/${path}`).text()) && !handOn.includes(path)) found.push(path)
    return found.sort()
  }

  test('every file with a transform of deltas or events is in the list', async () => {
    const transform =
      /\b(?:Machine|Transform)<(?:Delta|StreamEvent), (?:Delta|StreamEvent)>|\b(?:passes|passthrough)\??[:(]/
    const handOn = [
      'core/transform.ts',
      'core/pipeline.ts',
      'core/batch-stream.ts',
      'gateway/attempt.ts',
      'gateway/open-reply.ts',
      'prompted-tools/channels-and-calls.ts',
    ]
    const opening = [
      'upstreams/chat-completions/open.ts',
      'upstreams/opening/prepare-call.ts',
      'upstreams/zai-web/open.ts',
    ]
    const listed = new Set(Object.values(transforms).map(({ file }) => file))
    expect(await saying(transform, [...handOn, ...opening])).toEqual([...listed].sort())
  })

  test('every such file is a hop of the pipeline or a rule of one, and every hop is a file', async () => {
    const hops = [...(await Bun.file('src/core/pipeline.ts').text()).matchAll(/ \* (\d+)\. `([^`]+)`/g)]
    expect(hops.map(([, number]) => Number(number))).toEqual(hops.map((_, index) => index + 1))
    const files = hops.map(([, , path = '']) => path)
    for (const path of files)
      expect([path, [...new Glob(path.replace('<name>', '*')).scanSync('src')].length > 0]).toEqual([path, true])
    const rules = await Bun.file('src/gateway/reply-rules.ts').text()
    const listed = new Set(Object.values(transforms).map(({ file }) => file))
    expect(
      [...listed].filter((file) => !files.includes(file) && !rules.includes(file.replace('gateway/', './'))),
    ).toEqual([])
  })

  test('every encoder that writes text directly is in the list', async () => {
    expect(await saying(/\btextWriter:/, ['http/save-reply.ts'])).toEqual([
      'dialects/anthropic-messages/encode.ts',
      'dialects/gemini/encode.ts',
      'dialects/ollama/line-encoder.ts',
      'dialects/openai-chat/encode.ts',
      'dialects/openai-responses/encode.ts',
    ])
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
