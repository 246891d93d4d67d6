import { describe, expect, test } from 'bun:test'
import { readBatch } from '../../../src/core/batch-stream.ts'
import type { Delta } from '../../../src/core/events.ts'
import { chain, runTransform } from '../../../src/core/transform.ts'
import { toolCallParser } from '../../../src/prompted-tools/parse.ts'
import { decoder } from '../../../src/upstreams/chat-completions/decode.ts'
import type { DecodeOptions } from '../../../src/upstreams/chat-completions/decoder-state.ts'
import { sseDeltas } from '../../../src/wire/event-stream.ts'
import { manualClock } from '../../support/clock.ts'
import { type ChunkFacts, chunkText } from '../../support/zai-api.ts'
import { decoded, errors, heardOf, optionsWith, textOf, tools } from './decoding.ts'

function decode(facts: (ChunkFacts | string)[], options: Partial<DecodeOptions> = {}): Delta[] {
  return runTransform(
    decoder(optionsWith(options)),
    facts.map((fact) => (typeof fact === 'string' ? fact : chunkText(fact))),
  )
}

const usage = { prompt_tokens: 5, completion_tokens: 2 }
const text = (words: string): Delta => ({ type: 'text', text: words })
const counted: Delta = { type: 'usage', usage: { inputTokens: 5, outputTokens: 2 } }

const said = (content: string): ChunkFacts => ({ delta: { content } })

const stopped: Delta = { type: 'finish', reason: 'stop' }

describe('the end', () => {
  test.each<[string, (ChunkFacts | string)[], Delta[]]>([
    [
      'comes with the chunk that has both reason and count',
      [said('a'), { finish_reason: 'stop', usage }],
      [counted, stopped],
    ],
    [
      'waits for a count that comes late',
      [said('a'), { finish_reason: 'stop' }, { usage }, '[DONE]'],
      [counted, stopped],
    ],
    ['comes at [DONE] without any count', [said('a'), { finish_reason: 'stop' }, '[DONE]', said('b')], [stopped]],
    ['comes with the close once a reason was named', [said('a'), { finish_reason: 'stop' }], [stopped]],
    ['does not come when the stream just stops', [said('a')], []],
    ['does not come at [DONE] without a reason', [said('a'), '[DONE]'], []],
    [
      'is heard once',
      [said('a'), { finish_reason: 'stop', usage }, { finish_reason: 'length', usage }],
      [counted, stopped],
    ],
    [
      'is a stop when calls are announced and none is made',
      [said('a'), { finish_reason: 'tool_calls', usage }],
      [counted, stopped],
    ],
    [
      'ignores a count of nothing',
      [said('a'), { usage }, { finish_reason: 'stop', usage: { prompt_tokens: 0 } }],
      [counted, stopped],
    ],
    ['of an unknown reason is a stop', [said('a'), { finish_reason: 'tired', usage }], [counted, stopped]],
  ])('%s', (_name, facts, expected) => expect(decode(facts)).toEqual([text('a'), ...expected]))

  test('is sent a moment after the chunk that ends the answer, though the socket stays open', async () => {
    const clock = manualClock()
    const chunk = chunkText({ delta: { content: 'a' }, finish_reason: 'stop', usage })
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(`data: ${chunk}\n\n`)),
    })
    const source = sseDeltas(body, {
      ...{ label: 'home', decoder: decoder(optionsWith({})), clock, signal: new AbortController().signal },
      idleMs: 60_000,
    })
    expect(await readBatch(source)).toEqual([text('a')])
    const last = readBatch(source)
    await Bun.sleep(0)
    clock.advance(1_000)
    expect(await last).toEqual([counted, stopped])
  })

  test.each<[string, ChunkFacts[], Partial<DecodeOptions>, string]>([
    ['without a word is an error', [{ finish_reason: 'stop', usage }], {}, 'upstream_empty_response'],
    ['of blanks alone is an error', [said('\n'), { finish_reason: 'stop', usage }], {}, 'upstream_empty_response'],
    [
      'after reasoning alone is left to later transforms',
      [{ delta: { reasoning_content: 'Hm' } }, { finish_reason: 'stop', usage }],
      {},
      'stop',
    ],
    ['without a word is fine when cut', [{ finish_reason: 'length', usage }], {}, 'length'],
    ['without a word is fine when refused', [{ finish_reason: 'sensitive', usage }], {}, 'content-filter'],
  ])('%s', (_name, facts, options, expected) => {
    const last = decode(facts, options).at(-1)
    expect(last?.type === 'error' ? last.error.code : last?.type === 'finish' && last.reason).toBe(expected)
  })
})

describe('chunks', () => {
  test.each<[string, (ChunkFacts | string)[], Delta[]]>([
    [
      'nulls are no harm',
      ['{"choices":[{"delta":{"content":null,"tool_calls":null},"finish_reason":null}],"usage":null}', said('a')],
      [text('a')],
    ],
    ['no choices are no harm', ['{"choices":[]}', '{}', said('a')], [text('a')]],
    ['what is no part of a reply is skipped', ['ping', 'null', '12', '[]', '{"x":1}', said('a')], [text('a')]],
    ['text in brackets is text where nothing was searched', [said('a[ref_1]')], [text('a[ref_1]')]],
    [
      'reasoning stays apart',
      [{ delta: { reasoning_content: 'Hm' } }, said('a')],
      [{ type: 'reasoning', text: 'Hm' }, text('a')],
    ],
  ])('%s', (_name, facts, expected) => expect(decode(facts)).toEqual(expected))

  test.each([
    ['half of one', '{"choices":[{"delta":{"content":"b'],
    ['a content of a wrong type', '{"choices":[{"delta":{"content":5}}]}'],
    ['a delta that is text', '{"choices":[{"delta":"b"}]}'],
    ['choices that are none', '{"choices":{"0":{}}}'],
    ['calls that are none', '{"choices":[{"delta":{"tool_calls":[null]}}]}'],
  ])('a reply with a part that cannot be read never looks finished: %s', (_name, part) => {
    const deltas = decode([said('a'), part, said('c'), { finish_reason: 'stop', usage }])
    expect(deltas.map((delta) => (delta.type === 'error' ? delta.error.code : delta.type))).toEqual([
      'text',
      'upstream_malformed',
    ])
  })

  test.each([
    ['of words', { prompt_tokens: 'x', completion_tokens: 4 }],
    ['below zero', { prompt_tokens: 9, completion_tokens: -4 }],
    ['that no computer counts to', { prompt_tokens: 1e308, completion_tokens: 4 }],
    ['in a list', [9, 4]],
  ])('a usage %s is none, and the answer stays', (_name, counts) => {
    const deltas = decode([said('a'), { finish_reason: 'stop', usage: counts }, '[DONE]'])
    expect(deltas.map(({ type }) => type)).toEqual(['text', 'finish'])
  })

  test('skipped chunks are noted in the log once', () => {
    const notes: string[] = []
    decode(['ping', '[]', { finish_reason: 'tired' }], { annotate: (note) => notes.push(note) })
    expect(notes).toEqual(['skipped an unreadable chunk', 'unknown finish reason tired'])
  })

  test.each<[string, object, string, number]>([
    ['a business error', { error: { code: '1302', message: 'Rate limit reached' } }, 'rate_limit_exceeded', 429],
    ['an error as text', { error: 'DNS resolution failure' }, 'upstream_error', 502],
    ['an answer of the router', { code: 500, msg: '404 NOT_FOUND', success: false }, 'upstream_wrong_address', 403],
  ])('%s in a frame ends the stream', (_name, frame, code, status) => {
    const last = decode([said('a'), JSON.stringify(frame), said('b'), '[DONE]']).at(-1)
    expect(last).toMatchObject({ type: 'error', error: { code, status } })
  })
})

describe('further choices', () => {
  const choice = (index: number, content: string) =>
    JSON.stringify({ choices: [{ index, delta: { content } }], model: 'glm-4.7' })

  test('are left out, and noted in the log once', () => {
    const notes: string[] = []
    const both = JSON.stringify({ choices: [1, 0].map((index) => ({ index, delta: { content: `${index}!` } })) })
    const ending = (index: number) => JSON.stringify({ choices: [{ index, finish_reason: 'stop' }] })
    const facts = [choice(0, 'a'), choice(1, 'x'), both, ending(1), choice(0, 'b'), ending(0), '[DONE]']
    expect(decode(facts, { annotate: (note) => notes.push(note) })).toEqual([...['a', '0!', 'b'].map(text), stopped])
    expect(notes).toEqual(['left out further choices of the reply'])
  })

  test('are left out of long replies, whose chunks are not all parsed', async () => {
    const facts = Array.from({ length: 400 }, (_, at) => choice(at % 3 === 1 ? 1 : 0, at % 3 === 1 ? 'x' : `${at} `))
    const bytes = Buffer.from([...facts, '[DONE]'].map((data) => `data: ${data}\n\n`).join(''))
    const expected = facts.map((_, at) => (at % 3 === 1 ? '' : `${at} `)).join('')
    for (const size of [7, 64, bytes.length]) expect(heardOf(await decoded(bytes, size)).text).toBe(expected)
  })

  test.each([['"0"'], ['1'], ['"1"'], ['7'], ['null']])(
    'are none where the only choice has the index %s',
    async (index) => {
      const notes: string[] = []
      const chunk = (rest: string) => `{"choices":[{"index":${index},${rest}}],"model":"glm-4.7"}`
      const facts = Array.from({ length: 40 }, (_, at) => chunk(`"delta":{"content":"${at} "}`))
      const all = [...facts, chunk('"delta":{},"finish_reason":"stop"'), '[DONE]']
      const expected = facts.map((_, at) => `${at} `).join('')
      const decodedAtOnce = decode(all, { annotate: (note) => notes.push(note) })
      expect([textOf(decodedAtOnce), decodedAtOnce.at(-1)]).toEqual([expected, stopped])
      expect(notes).toEqual([])
      const bytes = Buffer.from(all.map((data) => `data: ${data}\n\n`).join(''))
      for (const size of [7, 64, bytes.length]) expect(heardOf(await decoded(bytes, size)).text).toBe(expected)
    },
  )

  test('are left out where they are in front of the first', () => {
    const both = [1, 0].map((index) => ({ index, delta: { content: `${index}!` }, finish_reason: 'stop' }))
    expect(decode([JSON.stringify({ choices: both }), '[DONE]'])).toEqual([text('0!'), stopped])
  })
})

describe('an event named error', () => {
  test.each([
    ['with a message', '{"message":"Rate limit reached","code":"1302"}', 'rate_limit_exceeded'],
    ['with words', 'the model is gone', 'upstream_error'],
    ['with something else', '[7]', 'upstream_error'],
    ['with a member for the error', '{"error":{"message":"Rate limit reached","code":"1302"}}', 'rate_limit_exceeded'],
  ])('%s is an error', async (_name, data, code) => {
    const chunk = `data: ${chunkText(said('a'))}\n\n`
    const bytes = Buffer.from(`${chunk}event: error\ndata: ${data}\n\n${chunk}data: [DONE]\n\n`)
    const deltas = await decoded(bytes, 7)
    expect(deltas.map((delta) => (delta.type === 'error' ? delta.error.code : delta.type))).toEqual(['text', code])
  })
})

describe('what comes after the finish reason and the usage', () => {
  const ending = { finish_reason: 'stop', usage }
  const late = { delta: { tool_calls: [{ index: 0, id: 'a', function: { name: 'ls', arguments: '{"b":1}' } }] } }
  const called: Delta = { type: 'tool-call', key: 'call-0', id: 'a', name: 'ls', arguments: '{"b":1}' }

  test.each<[string, (ChunkFacts | string)[], Delta[]]>([
    ['a call is made', [said('a'), ending, late, '[DONE]'], [text('a'), called, counted, stopped]],
    [
      'a call is made, with its own end',
      [said('a'), ending, late, { finish_reason: 'tool_calls' }, '[DONE]'],
      [text('a'), called, counted, { type: 'finish', reason: 'tool-calls' }],
    ],
    ['text is said', [said('a'), ending, said('b'), '[DONE]'], [text('a'), text('b'), counted, stopped]],
    ['an error takes nothing of it', [said('a'), ending, '{"error":"x"}'], [text('a'), counted, stopped]],
    ['half a chunk takes nothing of it', [said('a'), ending, '{"choices":[{"de'], [text('a'), counted, stopped]],
  ])('%s', (_name, facts, expected) => expect(decode(facts)).toEqual(expected))

  test('an error after a late call is one', () => {
    expect(decode([ending, late, '{"error":"x"}']).at(-1)?.type).toBe('error')
  })

  test.each<[string, ChunkFacts[], boolean]>([
    ['the usage and then the finish reason', [{ usage }, { finish_reason: 'stop' }], true],
    ['a late call', [ending, late], false],
    ['a late call with its own finish reason', [ending, late, { finish_reason: 'tool_calls' }], true],
    ['a late call and the finish reason in one chunk', [ending, { ...late, finish_reason: 'tool_calls' }], true],
    ['late text and the usage again', [ending, said('b'), { usage }], true],
    ['late text', [ending, said('b')], false],
  ])('the reply is complete or not after %s', (_name, facts, complete) => {
    const machine = decoder(optionsWith({}))
    for (const fact of [said('a'), ...facts]) machine.push(chunkText(fact), [])
    expect(machine.isComplete?.()).toBe(complete)
  })

  test.each([2, 40])('an error after late text is one, after %d chunks that are alike', async (count) => {
    const facts = [...Array<ChunkFacts>(count).fill(said('a')), ending, said('b')].map((fact) => chunkText(fact))
    const bytes = Buffer.from([...facts, '{"error":"x"}'].map((data) => `data: ${data}\n\n`).join(''))
    for (const size of [7, 64, bytes.length]) {
      const deltas = await decoded(bytes, size)
      expect([textOf(deltas), deltas.at(-1)?.type]).toEqual([`${'a'.repeat(count)}b`, 'error'])
    }
  })

  test('silence after a late call ends the reply a second after it was complete', async () => {
    const clock = manualClock()
    let feed: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        feed = controller
      },
    })
    const send = (fact: ChunkFacts) => feed?.enqueue(Buffer.from(`data: ${chunkText(fact)}\n\n`))
    const source = sseDeltas(body, {
      ...{ label: 'home', decoder: decoder(optionsWith({})), clock, signal: new AbortController().signal },
      idleMs: 60_000,
    })
    send({ ...said('a'), ...ending })
    await readBatch(source)
    const call = readBatch(source)
    send(late)
    await call
    const last = readBatch(source)
    await Bun.sleep(0)
    clock.advance(1_000)
    expect((await last)?.at(-1)).toEqual(stopped)
  })
})

describe('native calls', () => {
  const call = (facts: { index?: number; id?: string; name?: string; arguments?: unknown }): ChunkFacts => {
    const { name, arguments: args, ...place } = facts
    return { delta: { tool_calls: [{ ...place, type: 'function', function: { name, arguments: args } }] } }
  }
  const ended: ChunkFacts = { finish_reason: 'tool_calls', usage }

  test('held text comes before the call', () => {
    const search = { web_search: [{ refer: 'ref_1', title: 'One', link: 'https://example.com' }] }
    const facts = [search, said('a ['), call({ index: 0, id: 'c1', name: 'bash', arguments: '{"command":"a"}' }), ended]
    expect(decode(facts).map(({ type }) => type)).toEqual([
      'server-tool',
      'text',
      'text',
      'tool-call',
      'usage',
      'finish',
    ])
  })

  test('a reply of calls alone is an answer', () => {
    const facts = [
      call({ index: 0, id: 'c1', name: 'bash', arguments: '{"command":"a"}' }),
      { finish_reason: 'stop', usage },
    ]
    expect(decode(facts).map(({ type }) => type)).toEqual(['tool-call', 'usage', 'finish'])
  })
})

describe('search results', () => {
  const results = {
    web_search: [
      { refer: 'ref_1', title: 'One', link: 'https://example.com/a_(b)' },
      { refer: 'ref_2', link: 'javascript:alert(1)' },
      { title: 'no mark' },
    ],
  }
  test.each([
    ['a known mark is a link', 'a[ref_1]b', 'a[1](https://example.com/a_%28b%29)b'],
    ['marks may touch', '[ref_1][ref_1]', '[1](https://example.com/a_%28b%29)[1](https://example.com/a_%28b%29)'],
    ['a page without a web address has no link', 'a[ref_2]b', 'ab'],
    ['a mark of no known result stays', 'a[ref_7]b', 'a[ref_7]b'],
    [
      'other brackets stay',
      'a[0] [re] [ref] [reference_to_a_very_long_name]',
      'a[0] [re] [ref] [reference_to_a_very_long_name]',
    ],
    ['a bracket nobody closes is text', 'a[ref_', 'a[ref_'],
  ])('%s', (_name, words, expected) => {
    const facts = [results, ...[...words].map(said), { finish_reason: 'stop', usage }]
    expect(textOf(decode(facts))).toBe(expected)
  })

  test('repeated results are reported once', () => {
    const told = decode([results, results, said('a')]).filter(({ type }) => type === 'server-tool')
    expect(told).toHaveLength(1)
  })

  test('only what may become a mark is held', () => {
    expect(decode([results, said('a [x'), said(' b')])).toMatchObject([{}, text('a [x'), text(' b')])
    expect(decode([results, said(`[ref_${'1'.repeat(30)}`)])).toMatchObject([{}, text(`[ref_${'1'.repeat(30)}`)])
  })
})

test('a call written into the text becomes a call', () => {
  const machine = chain(decoder(optionsWith({})), toolCallParser(tools, { scanLimit: 1000 }))
  const facts = [
    said('<tool_call>bash\n<arg_key>command</arg_key>\n'),
    said('<arg_value>ls</arg_value>\n</tool_call>'),
    { finish_reason: 'stop', usage },
  ]
  expect(runTransform(machine, facts.map(chunkText))).toEqual([
    { type: 'tool-call', key: 'text-0', name: 'bash', arguments: '{"command":"ls"}' },
    counted,
    stopped,
  ])
})

test('a context window full before the first word is the error on which clients compact', () => {
  const last = decode([{ finish_reason: 'model_context_window_exceeded', usage }]).at(-1)
  expect(last?.type === 'error' && last.error.kind).toBe('context-overflow')
  const cut = decode([said('Half'), { finish_reason: 'model_context_window_exceeded', usage }]).at(-1)
  expect(cut).toEqual({ type: 'finish', reason: 'context-window' })
})

test('a model that makes calls without end is stopped', () => {
  const machine = decoder({ tools: [], errors, now: () => 0, annotate: () => {} })
  const out: Delta[] = []
  for (let index = 0; index < 600; index++) {
    const call = { index, id: `call_${index}`, function: { name: 'it', arguments: `{"at":${index}}` } }
    machine.push(chunkText({ delta: { tool_calls: [call] } }), out)
  }
  expect(out.filter(({ type }) => type === 'tool-call').length).toBe(500)
  expect(out.at(-1)).toEqual({
    type: 'error',
    error: expect.objectContaining({
      code: 'repetition_loop',
      message:
        'The model began more than 500 tool calls in one reply, so it was stopped. Ask again, or in other words.',
    }),
  })
})
