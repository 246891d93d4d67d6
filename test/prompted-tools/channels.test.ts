import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta } from '../../src/core/events.ts'
import { ReasoningOnlyError } from '../../src/core/reasoning-only-error.ts'
import type { Tool } from '../../src/core/request.ts'
import { runTransform } from '../../src/core/transform.ts'
import { channels } from '../../src/prompted-tools/channels.ts'

const look: Tool = {
  name: 'look',
  description: '',
  parameters: { type: 'object', properties: { at: { type: 'string' }, days: { type: 'integer' } } },
}

const text = (words: string): Delta => ({ type: 'text', text: words })
const reasoning = (words: string): Delta => ({ type: 'reasoning', text: words })
const stop: Delta = { type: 'finish', reason: 'stop' }
const call: Delta = { type: 'tool-call', key: 'call-0', id: 'c1', name: 'look', arguments: '{}' }

function sorted(deltas: Delta[], notes: string[] = [], tools: Tool[] = [look], whole = false): Delta[] {
  const empty = () => new GatewayError('upstream-malformed', 'empty', { code: 'empty' })
  return runTransform(
    channels({ tools, scanLimit: 10_000, frames: false, whole, empty, annotate: (note) => void notes.push(note) }),
    deltas,
  )
}

/** The last deltas of the reply. */
function ending(deltas: Delta[], tools?: Tool[]): unknown {
  const last = sorted(deltas, [], tools).at(-1)
  if (last?.type !== 'error') return last?.type === 'finish' ? last.reason : last?.type
  return last.error instanceof ReasoningOnlyError ? { reasoning: last.error.text } : last.error.code
}

test('a reasoning of nothing but beginnings of calls is searched for none', () => {
  const written = '<tool_call>look\n<arg_key>at</arg_key>\n<arg_value>a</arg_value>\n</tool_call>'
  const loop = (times: number) => [reasoning(`${'<tool_call>'.repeat(times)}\n${written}`), stop]
  expect(ending(loop(10))).toBe('tool-calls')
  expect(ending(loop(1_001))).toMatchObject({ reasoning: expect.stringContaining(written) })
})

describe('a reply of reasoning alone', () => {
  const written =
    '<tool_call>look\n<arg_key>at</arg_key>\n<arg_value>a</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>'
  test.each<[string, Delta[], unknown]>([
    ['has its reasoning to offer', [reasoning('Hm'), reasoning(' hm.\n'), stop], { reasoning: 'Hm hm.' }],
    [
      'offers what stands behind the end of the reasoning',
      [reasoning('Hm.</th'), reasoning('ink>\n\nA cat.'), stop],
      { reasoning: 'A cat.' },
    ],
    ['offers its reasoning where nothing stands behind it', [reasoning('Hm.</think>\n'), stop], { reasoning: 'Hm.' }],
    ['in tags has it to offer', [text('<think>Hm'), text('.'), stop], { reasoning: 'Hm.' }],
    ['and a tag has it to offer', [reasoning('Hm.'), text('\n</think>\n'), stop], { reasoning: 'Hm.' }],
    [
      'with calls announced has them to offer',
      [reasoning('Hm.'), { type: 'finish', reason: 'tool-calls' }],
      { reasoning: 'Hm.' },
    ],
    ['and blanks is empty', [reasoning(' \n'), text('\n'), stop], 'empty'],
    ['and no reasoning either is empty', [text('</think>'), stop], 'empty'],
    ['that was cut is cut', [reasoning('Hm'), { type: 'finish', reason: 'length' }], 'length'],
    ['that was refused is refused', [reasoning('Hm'), { type: 'finish', reason: 'content-filter' }], 'content-filter'],
    ['that breaks off has no end', [reasoning('Hm')], 'reasoning'],
    ['with a call is a call', [reasoning(`I look. ${written}`), stop], 'tool-calls'],
    [
      'with half a call has them to offer',
      [reasoning('<tool_call>look\n<arg_key>at'), stop],
      { reasoning: '<tool_call>look\n<arg_key>at' },
    ],
    [
      'with a call of no tool has them to offer',
      [reasoning('<tool_call>{"name":"fly","arguments":{}}</tool_call>'), stop],
      { reasoning: '<tool_call>{"name":"fly","arguments":{}}</tool_call>' },
    ],
    [
      'with a call told about has them to offer',
      [reasoning('`<tool_call>{"name":"look","arguments":{}}</tool_call>` no'), stop],
      { reasoning: '`<tool_call>{"name":"look","arguments":{}}</tool_call>` no' },
    ],
    [
      'with a call that cannot be read has them to offer',
      [reasoning('<tool_call>{"name":"look","arguments":{"at":x}}</tool_call>'), stop],
      { reasoning: '<tool_call>{"name":"look","arguments":{"at":x}}</tool_call>' },
    ],
  ])('%s', (_name, deltas, expected) => expect(ending(deltas)).toEqual(expected))

  test('becomes the call in it, with its types repaired', () => {
    const notes: string[] = []
    expect(
      sorted([reasoning('I look. '), reasoning(written.slice(0, 20)), reasoning(written.slice(20)), stop], notes).slice(
        -2,
      ),
    ).toEqual([
      { type: 'tool-call', key: 'text-0', name: 'look', arguments: '{"at":"a","days":3}' },
      { type: 'finish', reason: 'tool-calls' },
    ])
    expect(notes).toEqual(['took a call out of the thinking, which held it instead of the answer'])
  })

  test('has no calls where there are no tools', () =>
    expect(ending([reasoning(written), stop], [])).toEqual({ reasoning: written }))
})

describe('a reply with an answer', () => {
  test.each<[string, Delta[], Delta[]]>([
    ['keeps its channels', [reasoning('Hm'), text('A cat'), stop], [reasoning('Hm'), text('A cat'), stop]],
    [
      'keeps calls out of the thinking',
      [reasoning('<tool_call>{"name":"look","arguments":{}}</tool_call>'), text('A cat'), stop],
      [reasoning('<tool_call>{"name":"look","arguments":{}}</tool_call>'), text('A cat'), stop],
    ],
    ['may be a call', [reasoning('Hm'), call, stop], [reasoning('Hm'), call, stop]],
    [
      'loses tags in both',
      [reasoning('<think>Hm'), text('</think>\n\n'), text('A cat'), stop],
      [reasoning('Hm'), text('A cat'), stop],
    ],
    ['keeps half a tag in front of a call', [text('a <thi'), call, stop], [text('a '), text('<thi'), call, stop]],
    [
      'takes open reasoning in front of a call for one',
      [text('a\n<think>b'), call, stop],
      [text('a\n'), reasoning('b'), call, stop],
    ],
    [
      'keeps white space for its first word',
      [text('\n'), reasoning('Hm'), text('A'), stop],
      [reasoning('Hm'), text('\nA'), stop],
    ],
  ])('%s', (_name, deltas, expected) => {
    const joined: Delta[] = []
    for (const delta of sorted(deltas)) joined.push(delta)
    expect(joined).toEqual(expected)
  })
})

/** Joins consecutive texts of one channel. */
function joined(deltas: Delta[]): Delta[] {
  const out: Delta[] = []
  for (const delta of deltas) {
    const last = out.at(-1)
    if ((delta.type === 'text' || delta.type === 'reasoning') && last?.type === delta.type) last.text += delta.text
    else out.push({ ...delta })
  }
  return out
}

describe('a closing tag that was left over in the answer', () => {
  const cut: Delta = { type: 'finish', reason: 'length' }
  const search: Delta = {
    type: 'server-tool',
    tool: { id: 's1', name: 'search', arguments: '{}', kind: 'web-search', sources: [] },
  }
  test.each<[string, Delta[], Delta[]]>([
    ['ends the reasoning', [text('Hm.</think>A cat'), stop], [reasoning('Hm.'), text('A cat'), stop]],
    [
      'ends it in pieces',
      [text('Hm.</th'), text('ink>A'), text(' cat'), stop],
      [reasoning('Hm.'), text('A cat'), stop],
    ],
    [
      'ends it in a paragraph',
      [text('Hm.\n</think>\n'), text('\nA cat'), stop],
      [reasoning('Hm.\n'), text('A cat'), stop],
    ],
    ['ends it in front of a call', [text('Hm.</think>'), call, stop], [reasoning('Hm.'), call, stop]],
    ['ends it in front of a call and blanks', [text('Hm.</think>\n'), call, stop], [reasoning('Hm.'), call, stop]],
    ['ends it in a reply that is cut', [text('Hm.</think>A c'), cut], [reasoning('Hm.'), text('A c'), cut]],
    ['ends it in a reply that breaks off', [text('Hm.</think>A c')], [reasoning('Hm.'), text('A c')]],
    [
      'ends it behind a search',
      [text('Hm.'), search, text('</think>A'), stop],
      [reasoning('Hm.'), search, text('A'), stop],
    ],
    ['ends nothing where nothing follows', [text('Hello</think>\n'), stop], [text('Hello'), stop]],
    ['ends nothing where nothing stands before it', [text('</think>'), text('Hi'), stop], [text('Hi'), stop]],
    ['ends nothing behind a call', [text('Hm.'), call, text('</think>A'), stop], [text('Hm.'), call, text('A'), stop]],
    ['ends nothing in code', [text('`a</think>`b'), stop], [text('`a</think>`b'), stop]],
    ['ends nothing in JSON', [text('{"a":"</think>b"}'), stop], [text('{"a":"</think>b"}'), stop]],
    [
      'ends nothing where there is reasoning',
      [reasoning('Hm.'), text('One.</think>Two.'), stop],
      [reasoning('Hm.'), text('One.\n\nTwo.'), stop],
    ],
    ['ends nothing in front of reasoning', [text('A'), reasoning('Hm.'), stop], [text('A'), reasoning('Hm.'), stop]],
  ])('%s, in a whole reply', (_name, deltas, expected) =>
    expect(joined(sorted(deltas, [], [look], true))).toEqual(expected),
  )

  test('lets a reply without an end be seen', () => {
    const long = 'x'.repeat(60_000)
    const out: Delta[] = []
    const machine = channels({
      tools: [],
      scanLimit: 10_000,
      frames: false,
      whole: true,
      empty: () => new GatewayError('upstream-malformed', 'empty'),
      annotate: () => {},
    })
    machine.push(text(long), out)
    expect(out).toEqual([])
    machine.push(text(long), out)
    expect(out).toEqual([text(long), text(long)])
    machine.push(text('</think>A'), out)
    expect(out.slice(2)).toEqual([text('\n\n'), text('A')])
  })

  test.each<[string, Delta[], Delta[]]>([
    ['ends a paragraph', [text('Hm.</think>A cat'), stop], [text('Hm.\n\nA cat'), stop]],
    ['ends it in pieces', [text('Hm.'), text('</think>'), text('A cat'), stop], [text('Hm.\n\nA cat'), stop]],
    ['ends none where white space stands', [text('Hm.</think>\nA cat'), stop], [text('Hm.\nA cat'), stop]],
    ['ends none where white space stood', [text('Hm.\n</think>A cat'), stop], [text('Hm.\nA cat'), stop]],
    ['ends none where nothing stood', [text('</think>A cat'), stop], [text('A cat'), stop]],
  ])('%s, in a stream', (_name, deltas, expected) => expect(joined(sorted(deltas))).toEqual(expected))
})
