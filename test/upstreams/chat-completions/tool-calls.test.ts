import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Delta } from '../../../src/core/events.ts'
import type { Tool } from '../../../src/core/request.ts'
import { toolCallAssembler } from '../../../src/upstreams/chat-completions/tool-calls.ts'
import { runs } from '../../support/effort.ts'

interface Piece {
  index?: unknown
  id?: unknown
  name?: string
  arguments?: unknown
}

const tools: Tool[] = [
  tool('read', { path: { type: 'string' } }),
  tool('read_file', { path: { type: 'string' }, lines: { type: 'integer' } }),
  tool('list_dir', {}),
  tool('move', { from: { type: 'string' }, to: { type: 'string' } }),
  tool('set_level', { level: { type: 'integer' }, note: { type: ['string', 'null'] } }),
  tool('find', { where: { anyOf: [{ type: 'object', properties: { path: { type: 'string' } } }, { type: 'null' }] } }),
]

function tool(name: string, properties: object): Tool {
  return { name, description: '', parameters: { type: 'object', properties } }
}

/** Every delta, in the order in which it is sent. */
function deltasOf(pieces: Piece[]): Delta[] {
  const reader = toolCallAssembler(tools)
  const out: Delta[] = []
  for (const { name, arguments: args, ...place } of pieces)
    reader.push({ ...place, function: { name: name ?? null, arguments: args } }, out)
  reader.end(out)
  return out
}

/** `[id, name, arguments]` of each assembled call. */
function callsOf(pieces: Piece[]): unknown[] {
  const whole = new Map<string, { id?: string; name?: string; text: string }>()
  for (const delta of deltasOf(pieces)) {
    if (delta.type !== 'tool-call') throw new Error(`a ${delta.type}`)
    const call = whole.get(delta.key) ?? { text: '' }
    whole.set(delta.key, {
      ...call,
      ...(delta.id === undefined ? {} : { id: delta.id }),
      ...(delta.name === undefined ? {} : { name: delta.name }),
      text: call.text + (delta.arguments ?? ''),
    })
  }
  return [...whole.values()].map(({ id, name, text }) => [id, name, text])
}

const begin = (args: unknown = '', more: Piece = {}): Piece => ({
  index: 0,
  id: 'c1',
  name: 'read_file',
  arguments: args,
  ...more,
})
const go = (args: unknown, index: unknown = 0): Piece => ({ index, arguments: args })
const read = '{"path":"a.txt"}'
const one = [['c1', 'read_file', read]]

describe('a placeholder before the real arguments is held back:', () => {
  test.each<[string, Piece[]]>([
    ['{} and pieces', [begin('{}'), go('{"path":'), go('"a.txt"}')]],
    ['{} and all at once', [begin('{}'), go(read)]],
    ['{} in one piece with them', [begin(`{}${read}`)]],
    ['{} in two pieces', [begin('{'), go('}'), go('{"pa'), go('th":"a.txt"}')]],
    ['{} with spaces', [begin('{ }'), go(read)]],
    ['an empty object', [begin({}), go(read)]],
    ['null', [begin('null'), go(read)]],
    ['null in two pieces', [begin('nu'), go('ll'), go(read)]],
    ['a list of nothing', [begin('[]'), go(read)]],
    ['an empty string in quotes', [begin('""'), go(read)]],
    ['two of them', [begin('{}'), go('{}'), go(read)]],
    ['{} and the real ones as an object', [begin('{}'), go({ path: 'a.txt' })]],
    ['{} behind them', [begin(read), go('{}')]],
    ['{} and the call announced again', [begin('{}'), begin(read)]],
    ['{} and the call announced again under another index', [begin('{}'), begin(read, { index: 1 })]],
    ['nothing, and the call announced again under another index', [begin(''), begin(read, { index: 1 })]],
    ['{} while another id is made up for each piece', [begin(''), { index: 0, id: 'c2', arguments: read }]],
  ])('%s', (_name, pieces) => expect(callsOf(pieces)).toEqual(one))

  test('nothing of the call is sent before its arguments', () => {
    const out: Delta[] = []
    toolCallAssembler(tools).push({ index: 0, id: 'c1', function: { name: 'read_file', arguments: '{}' } }, out)
    expect(out).toEqual([])
  })

  test('of two calls at a time', () => {
    const pieces = [
      begin('{}'),
      begin('{}', { index: 1, id: 'c2', name: 'move' }),
      go('{"path":"a'),
      go('{"from":"x",', 1),
      go('.txt"}'),
      go('"to":"y"}', 1),
    ]
    expect(callsOf(pieces)).toEqual([...one, ['c2', 'move', '{"from":"x","to":"y"}']])
  })
})

describe('a call without arguments has none:', () => {
  const list = (args?: unknown): Piece => begin(args, { name: 'list_dir' })
  test.each<[string, Piece[], string]>([
    ['nothing', [list('')], ''],
    ['no field', [{ index: 0, id: 'c1', name: 'list_dir' }], ''],
    ['null', [list(null)], ''],
    ['{}', [list('{}')], '{}'],
    ['null in text', [list('null')], '{}'],
    ['a list of nothing', [list('[]')], '{}'],
    ['an empty string in quotes', [list('""')], '{}'],
    ['{} in quotes', [list('"{}"')], '{}'],
    ['{} twice', [list('{}'), go('{}')], '{}'],
  ])('%s', (_name, pieces, text) => expect(callsOf(pieces)).toEqual([['c1', 'list_dir', text]]))
})

describe('one call is one call:', () => {
  const twice = JSON.stringify(read)
  test.each<[string, Piece[]]>([
    ['arguments in a string', [begin(twice)]],
    ['arguments in a string in a string', [begin(JSON.stringify(twice))]],
    ['arguments in a string, in pieces', [begin(twice.slice(0, 5)), go(twice.slice(5))]],
    ['arguments as an object', [begin({ path: 'a.txt' })]],
    ['arguments as the only item of a list', [begin(`[${read}]`)]],
    ['arguments once more, whole', [begin('{"path":'), go('"a.txt"}'), go(read)]],
    ['arguments once more in one piece', [begin(read + read)]],
    ['arguments three times', [begin(read), go(read), go(read)]],
    ['arguments once more with other spaces', [begin(read), go('{ "path": "a.txt" }')]],
    ['arguments once more in a string', [begin(read), go(twice)]],
    ['arguments once more, cut', [begin(read), go('{"pa')]],
    ['a bracket too many', [begin(read), go('}')]],
    ['words behind it', [begin(read), go(' and so on')]],
    ['a tag behind it', [begin(`${read}</tool_call>`)]],
    ['the end of a fence behind it', [begin('{"path":'), go('"a.txt"}'), go('\n```')]],
    ['whole objects that grow', [begin('{"path":""}'), go('{"path":"a"}'), go(read)]],
    ['whole objects that grow, announced each time', ['{"path":""}', '{"path":"a"}', read].map((so) => begin(so))],
    ['each piece twice', ['{"pa', 'th":"a', '.txt"}'].flatMap((so, at) => [at ? go(so) : begin(so), go(so)])],
    ['announced again', [begin('{"path":'), go('"a.txt"}'), begin(read)]],
    ['announced again, without arguments', [begin(read), begin('')]],
    ['again under another index', [begin(read), begin(read, { index: 1 })]],
    ['again under three others', [0, 1, 2, 5].map((index) => begin(read, { index }))],
    [
      'again under another index, in pieces',
      [begin(''), begin('', { index: 1 }), go('{"path":'), go('{"path":', 1), go('"a.txt"}'), go('"a.txt"}', 1)],
    ],
    ['again without an id', [begin(read), begin(read, { index: 1, id: undefined })]],
    ['an index that jumps', [begin('{"path":'), go('"a', 3), go('.txt"}', 7)]],
    ['an index that jumps, with its id', [begin('{"path":'), { index: 2, id: 'c1', arguments: '"a.txt"}' }]],
    ['an index that jumps, with id and name', [begin('{"path":'), begin('"a.txt"}', { index: 1 })]],
    ['no index', [begin('{"path":', { index: undefined }), { arguments: '"a.txt"}' }]],
    ['an index that is null', [begin('{"path":', { index: null }), go('"a.txt"}', null)]],
    ['an index in text', [begin('{"path":', { index: '0' }), go('"a.txt"}', '0')]],
    ['an index that comes late', [begin('{"path":', { index: undefined }), go('"a.txt"}', 0)]],
    ['its id in each piece', [begin('{"path":'), { index: 0, id: 'c1', arguments: '"a.txt"}' }]],
    ['its id and name in each piece', [begin('{"path":'), begin('"a.txt"}')]],
    ['an empty id in later pieces', [begin('{"path":'), { index: 0, id: '', arguments: '"a.txt"}' }]],
    ['a made-up id in later pieces', [begin('{"path":'), { index: 0, id: 'c9', arguments: '"a.txt"}' }]],
    [
      'a name behind its arguments',
      [
        { index: 0, id: 'c1', arguments: read },
        { index: 0, name: 'read_file' },
      ],
    ],
  ])('%s', (_name, pieces) => expect(callsOf(pieces)).toEqual(one))
})

describe('two calls are two calls:', () => {
  const other = '{"path":"b.txt"}'
  const both = [
    ['c1', 'read_file', read],
    ['c2', 'read_file', other],
  ]
  test.each<[string, Piece[], unknown[]]>([
    ['by index and id', [begin(read), begin(other, { index: 1, id: 'c2' })], both],
    ['by id, all under index 0', [begin(read), begin(other, { id: 'c2' })], both],
    ['by id, without index', [begin(read, { index: undefined }), begin(other, { index: undefined, id: 'c2' })], both],
    [
      'by id alone, though equal',
      [begin(read), begin(read, { index: 1, id: 'c2' })],
      [...one, ['c2', 'read_file', read]],
    ],
    [
      'by id alone, both without arguments',
      [begin('{}', { name: 'list_dir' }), begin('{}', { name: 'list_dir', id: 'c2' })],
      [
        ['c1', 'list_dir', '{}'],
        ['c2', 'list_dir', '{}'],
      ],
    ],
    [
      'by arguments, with the same id',
      [begin(read), begin(other, { index: 1 })],
      [...one, [undefined, 'read_file', other]],
    ],
    [
      'by name, with the same id',
      [begin(read), begin('{"from":"x"}', { index: 1, name: 'move' })],
      [...one, [undefined, 'move', '{"from":"x"}']],
    ],
    [
      'by name, with the same id and index',
      [begin(read), begin('{"from":"x"}', { name: 'move' })],
      [...one, [undefined, 'move', '{"from":"x"}']],
    ],
    [
      'by arguments, with no ids',
      [begin(read, { id: '' }), begin(other, { id: '', index: 1 })],
      [
        [undefined, 'read_file', read],
        [undefined, 'read_file', other],
      ],
    ],
    [
      'by arguments, with nothing else',
      [
        { name: 'read_file', arguments: read },
        { name: 'read_file', arguments: other },
      ],
      [
        [undefined, 'read_file', read],
        [undefined, 'read_file', other],
      ],
    ],
    [
      'by name, with nothing else',
      [
        { name: 'list_dir', arguments: '' },
        { name: 'read_file', arguments: read },
      ],
      [
        [undefined, 'list_dir', ''],
        [undefined, 'read_file', read],
      ],
    ],
    [
      'one without arguments first',
      [begin('{}', { name: 'list_dir' }), begin(read, { index: 1, id: 'c2' })],
      [
        ['c1', 'list_dir', '{}'],
        ['c2', 'read_file', read],
      ],
    ],
    [
      'pieces that alternate',
      [
        begin(''),
        begin('', { index: 1, id: 'c2' }),
        go('{"path":"a'),
        go('{"path":"b', 1),
        go('.txt"}'),
        go('.txt"}', 1),
      ],
      both,
    ],
    [
      'pieces that alternate by id',
      [
        begin('', { index: undefined }),
        begin('', { index: undefined, id: 'c2' }),
        { id: 'c1', arguments: '{"path":"a' },
        { id: 'c2', arguments: '{"path":"b' },
        { id: 'c1', arguments: '.txt"}' },
        { id: 'c2', arguments: '.txt"}' },
      ],
      both,
    ],
    ['indexes with a gap', [begin(read, { index: 2 }), begin(other, { index: 7, id: 'c2' })], both],
    ['indexes that count down', [begin(read, { index: 1 }), begin(other, { index: 0, id: 'c2' })], both],
  ])('%s', (_name, pieces, expected) => expect(callsOf(pieces)).toEqual(expected))
})

describe('names:', () => {
  const named = (...names: string[]): Piece[] => [
    ...names.map((name, at): Piece => ({ index: 0, name, ...(at === 0 ? { id: 'c1' } : {}) })),
    go('{"path":"a.txt"}'),
  ]
  test.each<[string, Piece[], string]>([
    ['in two fragments', named('read', '_file'), 'read_file'],
    ['in many', named('l', 'is', 't_', 'dir'), 'list_dir'],
    ['a fragment that is a tool itself', named('read', '_file'), 'read_file'],
    ['a tool that begins another', named('read'), 'read'],
    ['repeated in each piece', named('read_file', 'read_file'), 'read_file'],
    ['grown in each piece', named('read', 'read_file'), 'read_file'],
    ['empty in later pieces', named('read_file', ''), 'read_file'],
    ['of another case', named('Read_File'), 'read_file'],
    ['with a prefix', named('functions.read_file'), 'read_file'],
    ['of no tool, in fragments', named('fly', '_away'), 'fly_away'],
    [
      'with arguments in the last fragment',
      [begin('', { name: 'read_' }), { index: 0, name: 'file', arguments: read }],
      'read_file',
    ],
    [
      'a fragment with an empty placeholder',
      [begin('{}', { name: 'read_f' }), { index: 0, name: 'ile', arguments: read }],
      'read_file',
    ],
  ])('%s', (_name, pieces, expected) =>
    expect(callsOf(pieces).map((call) => (Array.isArray(call) ? call[1] : call))).toEqual([expected]),
  )
})

describe('arguments are repaired as they arrive:', () => {
  test.each<[string, string, string[], string]>([
    ['a number written as text', 'set_level', ['{"level":"3"}'], '{"level":3}'],
    ['a number written as text, in pieces', 'set_level', ['{"le', 'vel":"', '3"', '}'], '{"level":3}'],
    ['null where null may be', 'set_level', ['{"note":', 'null}'], '{"note":null}'],
    ['null in text where a number or a text may be', 'set_level', ['{"note":"nu', 'll"}'], '{"note":"null"}'],
    [
      'an alternative written as text',
      'find',
      ['{"where":"{\\"path\\"', ':\\"/tmp\\"}"}'],
      '{"where":{"path":"/tmp"}}',
    ],
    [
      'a long number is not rounded',
      'set_level',
      ['{"level":123456789', '01234567890}'],
      '{"level":12345678901234567890}',
    ],
    [
      'what fits stays as it was written',
      'set_level',
      ['{ "level" : 3 ,', ' "note":"a" }'],
      '{ "level" : 3 , "note":"a" }',
    ],
    ['a line break in a string', 'read', ['{"path":"a', '\n', 'b"}'], '{"path":"a\\nb"}'],
    ['a comma too many', 'read', ['{"path":"a",', '}'], '{"path":"a"}'],
    ['nearly JSON in one piece', 'read', ["{'path':'a'}"], '{"path":"a"}'],
    ['what no tool says anything about', 'fly', ['{"a":"1",', '"b":{"c":[1,"]"]}}'], '{"a":"1","b":{"c":[1,"]"]}}'],
  ])('%s', (_name, name, pieces, expected) => {
    const [first = '', ...rest] = pieces
    expect(callsOf([begin(first, { name }), ...rest.map((piece) => go(piece))])).toEqual([['c1', name, expected]])
  })

  test('strings are streamed', () => {
    const pieces = [
      begin('', { name: 'move' }),
      ...['{"from', '":"a', 'b', 'c","to":"', 'd"}'].map((piece) => go(piece)),
    ]
    expect(deltasOf(pieces)).toEqual([
      { type: 'tool-call', key: 'call-0', id: 'c1', name: 'move', arguments: '{"from' },
      { type: 'tool-call', key: 'call-0', arguments: '":"a' },
      { type: 'tool-call', key: 'call-0', arguments: 'b' },
      { type: 'tool-call', key: 'call-0', arguments: 'c","to":"' },
      { type: 'tool-call', key: 'call-0', arguments: 'd"}' },
    ])
  })
})

describe('unreadable arguments stay broken:', () => {
  test.each<[string, Piece[], string]>([
    ['cut', [begin('{"path":"a')], '{"path":"a'],
    ['two objects that differ', [begin(read), go('{"path":"b.txt"}')], `${read}{"path":"b.txt"}`],
    ['another member behind the object', [begin(read), go(', "lines": 3}')], `${read}, "lines": 3}`],
    ['words in place of a value', [begin('{"path":'), go('so on}')], '{"path":so on}'],
    ['no object', [begin('[1,2]')], '[1,2]'],
  ])('%s', (_name, pieces, expected) => expect(callsOf(pieces)).toEqual([['c1', 'read_file', expected]]))
})

test('a call without a name is sent without one', () => {
  expect(deltasOf([{ index: 0, id: 'c1', arguments: read }])).toEqual([
    { type: 'tool-call', key: 'call-0', id: 'c1', arguments: read },
  ])
})

test('the arguments do not depend on how they are split', () => {
  const values = fc.record(
    { path: fc.oneof(fc.string(), fc.integer(), fc.constant(null)), lines: fc.oneof(fc.integer(), fc.string()) },
    { requiredKeys: [] },
  )
  const form = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => `{}${text}`,
    (text) => `null ${text}${text}`,
    (text) => JSON.stringify(text),
    (text) => `${text.replaceAll(',', ' ,\n ')}  `,
    (text) => `${text}}`,
  )
  fc.assert(
    fc.property(values, form, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (value, formed, sizes) => {
      const text = formed(JSON.stringify(value))
      const pieces: string[] = []
      for (let at = 0, turn = 0; at < text.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1
        pieces.push(text.slice(at, at + size))
        at += size
      }
      const [first = '', ...rest] = pieces
      const cut = callsOf([begin(first), ...rest.map((piece) => go(piece))])
      expect(cut).toEqual(callsOf([begin(text)]))
    }),
    { numRuns: runs(300) },
  )
})
