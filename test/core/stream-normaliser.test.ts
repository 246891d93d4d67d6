import { heapStats } from 'bun:jsc'
import { describe, expect, spyOn, test } from 'bun:test'
import fc from 'fast-check'
import { collector } from '../../src/core/collect.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta, FinishReason, StreamEvent } from '../../src/core/events.ts'
import { streamNormaliser } from '../../src/core/stream-normaliser.ts'
import { runTransform } from '../../src/core/transform.ts'

const text = (value: string): Delta => ({ type: 'text', text: value })
const think = (value: string): Delta => ({ type: 'reasoning', text: value })
const finish = (reason: FinishReason): Delta => ({ type: 'finish', reason })
const call = (key: string, name?: string, json?: string, id?: string): Delta => ({
  type: 'tool-call',
  key,
  ...(id === undefined ? {} : { id }),
  ...(name === undefined ? {} : { name }),
  ...(json === undefined ? {} : { arguments: json }),
})

const ran = (id: string): Delta => ({
  type: 'server-tool',
  tool: { id, name: 'search', arguments: '{}', kind: 'web-search', query: 'q', sources: [] },
})

function speak(deltas: Delta[]): StreamEvent[] {
  let ids = 0
  const rules = streamNormaliser({
    newToolCallId: () => `call_${++ids}`,
    inputTokens: 7,
    countTokens: (value) => value.length,
  })
  return runTransform(rules, deltas)
}

/** Each event as a short text, such as `+a` for a text delta. */
function brief(events: StreamEvent[]): string[] {
  return events.map((event) => {
    switch (event.type) {
      case 'message-start':
        return 'start'
      case 'message-end':
        return `end ${event.reason}`
      case 'error':
        return `error ${event.error.kind}`
      case 'tool-call-start':
        return `call ${event.index} ${event.id} ${event.name}`
      case 'tool-call-end':
        return `/call ${event.index} ${event.arguments}`
      case 'tool-call-delta':
        return `+call ${event.index} ${event.text}`
      case 'server-tool':
        return `ran ${event.index} ${event.tool.id}`
      case 'mcp-start':
      case 'mcp-end':
        return `${event.type} ${event.index}`
      case 'text-start':
      case 'reasoning-start':
        return `${event.type.split('-')[0]} ${event.index}`
      case 'text-delta':
      case 'reasoning-delta':
        return `+${event.text}`
      case 'text-end':
      case 'reasoning-end':
        return `/${event.text}`
      default:
        return event satisfies never
    }
  })
}

describe('the normaliser', () => {
  test.each<[string, Delta[], string[]]>([
    ['opens one block for each kind of text', [text('a'), text('b')], ['text 0', '+a', '+b', '/ab']],
    ['closes reasoning before text opens', [think('a'), text('b')], ['reasoning 0', '+a', '/a', 'text 1', '+b', '/b']],
    [
      'opens a new block when reasoning comes again',
      [think('a'), text('b'), think('c'), text('d')],
      ['reasoning 0', '+a', '/a', 'text 1', '+b', '/b', 'reasoning 2', '+c', '/c', 'text 3', '+d', '/d'],
    ],
    ['drops line breaks before the first words', [text('\n\n'), text('\nhi\n')], ['text 0', '+hi\n', '/hi\n']],
    [
      'keeps line breaks of a later text block',
      [text('a'), think('b'), text('\n\nc')],
      ['text 0', '+a', '/a', 'reasoning 1', '+b', '/b', 'text 2', '+\n\nc', '/\n\nc'],
    ],
    [
      'puts a finished tool of the upstream between the blocks around it',
      [think('a'), ran('s1'), ran('s2'), text('b'), ran('s3'), text('\nc')],
      ['reasoning 0', '+a', '/a', 'ran 1 s1', 'ran 2 s2', 'text 3', '+b', '/b', 'ran 4 s3', 'text 5', '+\nc', '/\nc'],
    ],
    ['begins with a tool of the upstream', [ran('s1'), text('a')], ['ran 0 s1', 'text 1', '+a', '/a']],
    ['opens no block for line breaks alone', [think('\n'), text('\n'), think('x')], ['reasoning 0', '+x', '/x']],
  ])('%s', (_name, deltas, expected) => {
    expect(brief(speak([...deltas, finish('stop')]))).toEqual(['start', ...expected, 'end stop'])
  })

  test.each<[string, Delta[], string[]]>([
    [
      'streams the arguments of a call as they come',
      [call('0', 'f', '{"a"'), call('0', undefined, ':1}')],
      ['call 0 call_1 f', '+call 0 {"a"', '+call 0 :1}', '/call 0 {"a":1}'],
    ],
    [
      'keeps the id the upstream gave',
      [call('0', 'f', '{}', 'theirs')],
      ['call 0 theirs f', '+call 0 {}', '/call 0 {}'],
    ],
    ['gives empty arguments an object', [call('0', 'f')], ['call 0 call_1 f', '+call 0 {}', '/call 0 {}']],
    [
      'holds a call back until its name arrives',
      [call('0', undefined, '{"a"'), call('0', 'f', ':1}')],
      ['call 0 call_1 f', '+call 0 {"a":1}', '/call 0 {"a":1}'],
    ],
    [
      'opens the next call once the arguments of the open one are complete',
      [call('0', 'f', '{}'), call('1', 'g', '{"b":'), call('1', undefined, '2}')],
      [
        'call 0 call_1 f',
        '+call 0 {}',
        '/call 0 {}',
        'call 1 call_2 g',
        '+call 1 {"b":',
        '+call 1 2}',
        '/call 1 {"b":2}',
      ],
    ],
    [
      'puts calls with interleaved arguments in order',
      [call('0', 'f', '{"a":'), call('1', 'g', '{"b":'), call('0', undefined, '1}'), call('1', undefined, '2}')],
      [
        'call 0 call_1 f',
        '+call 0 {"a":',
        '+call 0 1}',
        '/call 0 {"a":1}',
        'call 1 call_2 g',
        '+call 1 {"b":2}',
        '/call 1 {"b":2}',
      ],
    ],
  ])('%s', (_name, deltas, expected) => {
    expect(brief(speak([...deltas, finish('stop')]))).toEqual(['start', ...expected, 'end tool-calls'])
  })

  test.each<[string, Delta[], string]>([
    ['a stream that stops without a finish is truncated', [text('a')], 'error upstream-truncated'],
    ['a stream that says nothing at all is truncated', [], 'error upstream-truncated'],
    [
      'an error ends it',
      [text('a'), { type: 'error', error: new GatewayError('timeout', 'slow') }, text('b')],
      'error timeout',
    ],
    ['a call without a name is malformed', [call('0', undefined, '{}'), finish('stop')], 'error upstream-malformed'],
    [
      'a call with broken arguments is malformed',
      [call('0', 'f', '{"a":'), finish('tool-calls')],
      'error upstream-malformed',
    ],
    [
      'a call with a list of arguments is malformed',
      [call('0', 'f', '[1]'), finish('stop')],
      'error upstream-malformed',
    ],
    [
      'a broken call followed by text is malformed',
      [call('0', 'f', '{"a":'), text('x'), finish('stop')],
      'error upstream-malformed',
    ],
    ['a reply cut for length may end inside a call', [call('0', 'f', '{"a":'), finish('length')], 'end length'],
    ['deltas after the finish are dropped', [text('a'), finish('stop'), text('b'), finish('length')], 'end stop'],
  ])('%s', (_name, deltas, last) => {
    const events = brief(speak(deltas))
    expect(events.at(-1)).toBe(last)
    expect(events.filter((event) => event.startsWith('end') || event.startsWith('error'))).toHaveLength(1)
  })

  test('text between the pieces of calls follows the calls', () => {
    const pieces = [call('0', 'f', '{"a":'), text('x'), call('1', 'g', '{"b"'), text('y'), call('0', undefined, '1}')]
    expect(brief(speak([...pieces, text('z'), call('1', undefined, ':2}'), text('!'), finish('stop')]))).toEqual([
      'start',
      'call 0 call_1 f',
      '+call 0 {"a":',
      '+call 0 1}',
      '/call 0 {"a":1}',
      'call 1 call_2 g',
      '+call 1 {"b":2}',
      '/call 1 {"b":2}',
      'text 2',
      '+xyz!',
      '/xyz!',
      'end tool-calls',
    ])
  })

  test.each<[string, Delta]>([
    ['more arguments', call('0', undefined, '{"more":1}')],
    ['its name again', call('0', 'f')],
    ['its name and arguments again', call('0', 'f', '{"a":1}')],
  ])('a call that has ended takes no more pieces: %s', (_name, late) => {
    const begun = [call('0', 'f', '{"a":1}'), call('1', 'g', '{"b"')]
    const whole = [call('1', undefined, ':2}'), finish('stop')]
    const expected = [
      'start',
      'call 0 call_1 f',
      '+call 0 {"a":1}',
      '/call 0 {"a":1}',
      'call 1 call_2 g',
      '+call 1 {"b"',
      '+call 1 :2}',
      '/call 1 {"b":2}',
      'end tool-calls',
    ]
    expect(brief(speak([...begun, late, ...whole]))).toEqual(expected)
    // Nor when text has closed it.
    expect(brief(speak([call('0', 'f', '{"a":1}'), text('x'), late, text('y'), finish('stop')]))).toEqual([
      ...expected.slice(0, 4),
      'text 1',
      '+x',
      '+y',
      '/xy',
      'end tool-calls',
    ])
  })

  test('text after a call without arguments is sent at once', () => {
    const rules = streamNormaliser({
      newToolCallId: () => 'call_1',
      inputTokens: 7,
      countTokens: (value) => value.length,
    })
    const out: StreamEvent[] = []
    rules.push(call('0', 'f'), out)
    rules.push(text('x'), out)
    expect(brief(out)).toEqual(['start', 'call 0 call_1 f', '+call 0 {}', '/call 0 {}', 'text 1', '+x'])
  })

  test('a call with broken arguments gets no end event, because clients run calls that have ended', () => {
    const events = brief(speak([call('0', 'f', '{"a":'), text('x'), call('1', 'g', '{}'), finish('stop')]))
    expect(events).toEqual(['start', 'call 0 call_1 f', '+call 0 {"a":', 'error upstream-malformed'])
  })

  test("the upstream's own usage wins, even if it comes late", () => {
    const usage = { inputTokens: 100, outputTokens: 9, cachedInputTokens: 50 }
    expect(speak([text('a'), { type: 'usage', usage }, text('b'), finish('stop')]).at(-1)).toEqual({
      type: 'message-end',
      reason: 'stop',
      usage,
    })
  })

  test('the last of several usages wins, because it covers the most', () => {
    const counted = (outputTokens: number): Delta => ({ type: 'usage', usage: { inputTokens: 100, outputTokens } })
    expect(speak([counted(1), text('a'), counted(2), text('b'), counted(3), finish('stop')]).at(-1)).toEqual({
      type: 'message-end',
      reason: 'stop',
      usage: { inputTokens: 100, outputTokens: 3 },
    })
  })

  test('without usage both sides are estimated', () => {
    expect(speak([think('abc'), text('de'), finish('stop')]).at(-1)).toMatchObject({
      usage: { inputTokens: 7, outputTokens: 5, reasoningTokens: 3 },
    })
  })

  test('any stream of deltas gives one start, balanced blocks and one terminal event', () => {
    const delta = fc.oneof(
      fc.string().map(text),
      fc.string().map(think),
      fc
        .tuple(fc.constantFrom('0', '1', '2'), fc.option(fc.constantFrom('f', 'g'), { nil: undefined }), fc.json())
        .map(([key, name, json]) => call(key, name, json)),
      fc.constantFrom(finish('stop'), finish('length'), ran('s')),
    )
    fc.assert(
      fc.property(fc.array(delta), (deltas) => {
        const events = speak(deltas)
        expect(events[0]?.type).toBe('message-start')
        let open: number | undefined
        for (const event of events.slice(1, -1)) {
          if (!('index' in event)) throw new Error(`${event.type} in the middle`)
          if (event.type === 'server-tool') {
            expect(open).toBeUndefined()
          } else if (event.type.endsWith('-start')) {
            expect(open).toBeUndefined()
            open = event.index
          } else expect(event.index).toBe(open ?? -1)
          if (event.type.endsWith('-end')) open = undefined
        }
        expect(['message-end', 'error']).toContain(events.at(-1)?.type ?? '')
        if (events.at(-1)?.type === 'message-end') expect(open).toBeUndefined()
      }),
    )
  })
})

test('arguments of an open call are not read again for each piece of another', () => {
  const pieces = Array.from({ length: 500 }, () => call('b', 'two', ' '))
  const parse = spyOn(JSON, 'parse')
  try {
    speak([
      call('a', 'one', '{"a":{}'),
      ...pieces,
      call('a', undefined, '}'),
      call('b', undefined, '{}'),
      finish('tool-calls'),
    ])
    expect(parse.mock.calls.length).toBeLessThan(10)
  } finally {
    parse.mockRestore()
  }
})

describe('a collected reply', () => {
  test('holds the blocks in order with their whole text', () => {
    const collected = collector()
    for (const event of speak([think('t'), text('a'), text('b'), call('0', 'f', '{"x":1}'), finish('stop')]))
      collected.push(event)
    expect(collected.result()).toEqual({
      blocks: [
        { type: 'reasoning', text: 't' },
        { type: 'text', text: 'ab' },
        { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{"x":1}' },
      ],
      reason: 'tool-calls',
      usage: { inputTokens: 7, outputTokens: 11, reasoningTokens: 1 },
    })
  })

  test('is the error when the stream failed, whatever came before', () => {
    const collected = collector()
    for (const event of speak([text('a')])) collected.push(event)
    expect(collected.result()).toMatchObject({ kind: 'upstream-truncated' })
  })
})

test('a long text takes the memory of its characters, however many pieces it came in', () => {
  const rules = streamNormaliser({ newToolCallId: () => 'call_1', inputTokens: 7, countTokens: () => 0 })
  // A text of fewer than a million characters: of a longer one, half may be in pieces.
  const pieces = 150_000
  const held = () => {
    Bun.gc(true)
    const { heapSize, extraMemorySize } = heapStats()
    return heapSize + extraMemorySize
  }
  rules.push(text('start '), [])
  const before = held()
  for (let piece = 0; piece < pieces; piece++) rules.push(text(`${piece} `), [])
  // 0.9 MB of characters, and a copy that the engine has not let go of; 13.5 MB where each piece is kept.
  expect(held() - before).toBeLessThan(6_000_000)
  const events: StreamEvent[] = []
  rules.push(finish('stop'), events)
  const end = events.find(({ type }) => type === 'text-end')
  const whole = Array.from({ length: pieces }, (_, piece) => `${piece} `).join('')
  expect(end?.type === 'text-end' && end.text === `start ${whole}`).toBe(true)
})
