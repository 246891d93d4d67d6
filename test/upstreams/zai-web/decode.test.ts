import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { pipe, readBatch } from '../../../src/core/batch-stream.ts'
import { callMeter, type MeteredCall } from '../../../src/core/call-meter.ts'
import { asGatewayError } from '../../../src/core/errors.ts'
import type { Delta, WebSource } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { channels } from '../../../src/prompted-tools/channels.ts'
import { decoder } from '../../../src/upstreams/zai-web/decode.ts'
import type { DecodeOptions } from '../../../src/upstreams/zai-web/decoded-reply.ts'
import { emptyResponse } from '../../../src/upstreams/zai-web/errors.ts'
import { sseDeltas } from '../../../src/wire/event-stream.ts'
import { characterMeter } from '../../support/bills.ts'
import { manualClock } from '../../support/clock.ts'
import { runs } from '../../support/effort.ts'

/** An opened wrapper. */
const open = '<details type="reasoning" done="false">'
const folder = new URL('../../golden/zai-web/', import.meta.url)

/** The expected result of a recording; `content_links` if the answer has citation marks. */
interface Expected {
  reasoning?: string
  content?: string
  content_links?: string
  raw_buffer?: string
  declared_tools?: string[]
  server_tools?: { id: string; name: string; arguments: string }[]
  citations?: { ref_id: string; title: string; url: string }[]
  usage?: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details: { cached_tokens: number } } | null
  error?: { gateway_code: string; gateway_status: number }
  ended_by: 'done' | '[DONE]' | 'eof' | 'error'
}

const cases = readdirSync(folder)
  .filter((name) => readdirSync(new URL(name, folder)).includes('expected.json'))
  .map((name) => ({
    name,
    bytes: new Uint8Array(readFileSync(new URL(`${name}/upstream.sse`, folder))),
    expected: JSON.parse(readFileSync(new URL(`${name}/expected.json`, folder), 'utf8')) as Expected,
  }))

const cuts = [1, 2, 3, 7, 64, 1000, Number.POSITIVE_INFINITY]

describe('every recording gives its expected result', () => {
  for (const { name, bytes, expected } of cases) {
    test.each(cuts)(`${name}, whole, in reads of %d bytes`, async (size) => {
      expect(heardOf(await decoded(bytes, size, { whole: true }))).toEqual(wanted(expected))
    })
    test.each(cuts)(`${name}, streaming, in reads of %d bytes`, async (size) => {
      const received = heardOf(await decoded(bytes, size, { whole: false }))
      // This recording rewrites text that was sent long ago; it has its own test below.
      const text = name === 'edit-rewinds-emitted' ? received.text : wanted(expected).text
      expect(received).toEqual({ ...wanted(expected), text })
    })
  }
})

test('the recordings are found', () => expect(cases.map(({ name }) => name)).toContain('thinking-edit-close'))

describe('streaming', () => {
  test('sent text is never sent again when an edit starts before its end', async () => {
    const notes: string[] = []
    const bytes = cases.find(({ name }) => name === 'edit-rewinds-emitted')?.bytes ?? new Uint8Array()
    const deltas = await decoded(bytes, 64, { whole: false, annotate: (note) => notes.push(note) })
    // 62 units went out before the edit at 40; what follows is the new text from there on.
    expect(textOf(deltas)).toBe('The quick brown fox jumps over the lazy cat and then it goes home to sleep.')
    expect(notes).toEqual(['rewrote sent text'])
  })

  test('the edit that closes a reasoning wrapper sends only new text, and is no rewrite', async () => {
    const notes: string[] = []
    const bytes = cases.find(({ name }) => name === 'thinking-edit-close')?.bytes ?? new Uint8Array()
    const deltas = await decoded(bytes, Number.POSITIVE_INFINITY, {
      whole: false,
      annotate: (note) => notes.push(note),
    })
    expect(notes).toEqual([])
    expect(deltas.filter(({ type }) => type === 'reasoning').at(-1)).toEqual({ type: 'reasoning', text: '.' })
  })

  test.each<[string, string[], string[][]]>([
    ['the last 24 units wait for the end', [answer('x'.repeat(30)), done()], [['xxxxxx'], ['x'.repeat(24)]]],
    ['reasoning goes out at once', [thinking('a'), thinking('b')], [['a'], ['b']]],
    [
      'reasoning in a wrapper goes out at once',
      [thinking(`${open}\n> Well`), thinking(', yes')],
      [['Well'], [', yes']],
    ],
    ['half a tag waits', [thinking('a<details ty'), thinking('pical')], [['a'], ['<details typical']]],
    ['half a line prefix waits', [thinking(`${open}\n> a\n`), thinking('>'), thinking(' b')], [['a'], ['\n'], ['b']]],
    [
      'an answer is settled once reasoning stands behind it',
      [answer('Let me see.'), thinking('Hm.')],
      [[], ['Let me see.', 'Hm.']],
    ],
    ['half a surrogate pair waits', [thinking('a\ud83c'), thinking('\udf21b')], [['a'], ['🌡b']]],
    [
      'a pair is not split by the hold-back',
      [answer(`ab🌡${'x'.repeat(23)}`), done()],
      [['ab'], [`🌡${'x'.repeat(23)}`]],
    ],
  ])('%s', (_name, frames, expected) => {
    expect(steps(frames, { whole: false })).toEqual(expected)
  })

  test('the answer is held from `holdFrom` on, also when that text comes in pieces', () => {
    const frames = ['See:\n<to', 'ol_ca', `ll>{${'x'.repeat(60)}`, '}</tool_call> and more'].map(answer)
    expect(steps([...frames, done()], { whole: false, holdFrom: '<tool_call' })).toEqual([
      [],
      [],
      ['See:\n'],
      [],
      [`<tool_call>{${'x'.repeat(60)}}</tool_call> and more`],
    ])
  })

  test('an edit that removes the `holdFrom` text releases the answer', () => {
    const frames = [answer(`Look: <tool_call>${'x'.repeat(40)}`), edit(6, `no call, ${'y'.repeat(40)}`), done()]
    expect(steps(frames, { whole: false, holdFrom: '<tool_call' }).flat().join('')).toBe(
      `Look: no call, ${'y'.repeat(40)}`,
    )
    expect(steps(frames, { whole: false, holdFrom: '<tool_call' })[1]).not.toEqual([])
  })

  test('a surrogate pair at the end of sent text is not split', () => {
    const frames = [thinking('abcdefgh'), edit(0, 'abcdefg🌡x', 'thinking')]
    expect(steps(frames, { whole: false })).toEqual([['abcdefgh'], ['x']])
  })

  test('a text that only shrinks is reported as rewritten', () => {
    const notes: string[] = []
    steps([thinking('one two three'), edit(3, '', 'thinking'), answer('ok'), done()], {
      whole: false,
      annotate: (note) => notes.push(note),
    })
    expect(notes).toEqual(['rewrote sent text'])
  })
})

describe('frames', () => {
  test.each<[string, string[], Partial<ReturnType<typeof heardOf>>]>([
    [
      'content with text is the whole text',
      [answer('abc'), part({ content: 'xyz', phase: 'answer' })],
      { text: 'xyz' },
    ],
    ['an edit without an index appends', [answer('abc'), part({ edit_content: 'def' })], { text: 'abcdef' }],
    ['an edit beyond the end appends', [answer('abc'), edit(99, 'def')], { text: 'abcdef' }],
    ['an edit below zero starts anew', [answer('abc'), edit(-5, 'def')], { text: 'def' }],
    ['an edit may be a JSON literal', [answer('abc'), edit(1, '"d\\ne"')], { text: 'ad\ne' }],
    ['quotation marks alone are no literal', [answer('abc'), edit(1, '"d" or "e"')], { text: 'a"d" or "e"' }],
    ['a cut inside a pair cuts before it', [answer('a🌡b'), edit(2, 'c')], { text: 'ac' }],
    ['a phase nobody knows is answer', [part({ delta_content: 'abc', phase: 'musing' })], { text: 'abc' }],
    [
      'an OpenAI-shaped reasoning field is reasoning',
      [JSON.stringify({ choices: [{ delta: { reasoning_content: 'Hm' } }] }), answer('abc')],
      { reasoning: 'Hm', text: 'abc' },
    ],
    [
      'nulls are no harm',
      [part({ delta_content: 'abc', edit_index: null, usage: null, error: null })],
      { text: 'abc' },
    ],
    [
      'what is no part of a reply is skipped',
      [
        ...['ping', 'null', '12', '[]', '{"x":1}', '{"data":"ping"}', '{"type":"chat:completion","data":null}'],
        ...['{"type":"chat:title","data":{"content":5}}', '{"type":"chat:title","choices":5}', answer('abc')],
      ],
      { text: 'abc' },
    ],
    [
      'other details are answer',
      [answer('<details><summary>More</summary>x</details>')],
      { text: '<details><summary>More</summary>x</details>' },
    ],
    [
      'a tag nobody closes is text',
      [answer('a <details type="reasoning" b')],
      { text: 'a <details type="reasoning" b' },
    ],
    ['a block tag without JSON is text', [answer('`<glm_block>` is a tag')], { text: '`<glm_block>` is a tag' }],
    ['an unfinished block is not text', [answer('a<glm_block view="">{"type": "mcp"')], { text: 'a' }],
    [
      'reasoning that nobody closes is reasoning',
      [answer(`${open}\n> a\n> b`), answer('c')],
      { reasoning: 'a\nbc', text: '' },
    ],
    [
      'a quotation in reasoning keeps its own mark',
      [answer(`${open}\n> > quoted\n>plain\n</details>\nabc`)],
      { reasoning: '> quoted\nplain', text: 'abc' },
    ],
    [
      'finish_reason length is told',
      [answer('abc'), part({ choices: [{ finish_reason: 'length' }] })],
      { text: 'abc', finish: 'length' },
    ],
    [
      'the last count is the count, and an empty one is none',
      [
        answer('abc'),
        part({ usage: { prompt_tokens: 5, completion_tokens: 1 } }),
        part({ usage: { prompt_tokens: 7, completion_tokens: 3, completion_tokens_details: { reasoning_tokens: 2 } } }),
        part({ usage: { prompt_tokens: 0, completion_tokens: 0 } }),
      ],
      { usage: { inputTokens: 7, outputTokens: 3, reasoningTokens: 2 } },
    ],
  ])('%s', (_name, frames, expected) => {
    const deltas = runTransform(decoder(optionsWith({ whole: true })), [...frames, done()])
    expect(heardOf(deltas)).toMatchObject(expected)
  })

  test('frames after the end are ignored', () => {
    const deltas = runTransform(decoder(optionsWith({})), [
      answer('abc'),
      '[DONE]',
      answer('def'),
      '{"error":"late"}',
      done(),
    ])
    expect(deltas).toEqual([
      { type: 'text', text: 'abc' },
      { type: 'finish', reason: 'stop' },
    ])
  })

  test('a reply of reasoning alone finishes normally here', () => {
    expect(heardOf(runTransform(decoder(optionsWith({})), [thinking('Hm'), done()]))).toMatchObject({
      reasoning: 'Hm',
      error: undefined,
      finish: 'stop',
    })
  })

  test('a blank line separates a later reasoning wrapper, but not plain reasoning', () => {
    const wrapped = (text: string) => thinking(`${open}\n> ${text}\n</details>\n`)
    const frames = [thinking('a'), answer('-'), thinking(' b'), answer('-'), wrapped('c'), wrapped('d'), answer('-')]
    expect(proseOf(runTransform(decoder(optionsWith({})), frames)).reasoning).toBe('a b\n\nc\n\nd')
  })

  test('reasoning and text keep the order of the message', () => {
    const frames = [thinking('a'), answer('b'), thinking('c'), answer('d'), done()]
    const expected = ['reasoning a', 'text b', 'reasoning c', 'text d']
    for (const whole of [true, false]) {
      const deltas = runTransform(decoder(optionsWith({ whole })), frames)
      expect(deltas.flatMap((delta) => ('text' in delta ? [`${delta.type} ${delta.text}`] : []))).toEqual(expected)
    }
  })

  test.each([
    ['half of one', '{"type":"chat:completion","data":{"phase":"answer","delta_content":"b'],
    ['a text of a wrong type', part({ phase: 'answer', delta_content: 5 })],
    ['an edit at a place that is none', part({ phase: 'answer', edit_index: '1', edit_content: 'b' })],
    ['a text without a part', '{"type":"chat:completion","data":"b"}'],
    ['a part that has no type', '{"data":{"delta_content":5}}'],
    ['a type that is none', '{"type":5,"data":{"delta_content":"b"}}'],
    ['a delta that is text', '{"choices":[{"delta":"b"}]}'],
    ['choices that are none', '{"choices":{"0":{}}}'],
  ])('a reply with a part that cannot be read never looks finished: %s', (_name, frame) => {
    const deltas = runTransform(decoder(optionsWith({ whole: true })), [answer('a'), frame, answer('c'), done()])
    expect(deltas.map((delta) => (delta.type === 'error' ? delta.error.code : delta.type))).toEqual([
      'text',
      'upstream_malformed',
    ])
  })

  test.each([
    ['of words', { prompt_tokens: 'x', completion_tokens: 4 }],
    ['below zero', { prompt_tokens: 9, completion_tokens: -4 }],
    ['in a list', [9, 4]],
  ])('a usage %s is none, and the answer stays', (_name, usage) => {
    const openAiShaped = JSON.stringify({ choices: [{ delta: { content: 'b' } }], usage })
    const frames = [part({ phase: 'answer', delta_content: 'a', usage }), openAiShaped, done()]
    const deltas = runTransform(decoder(optionsWith({ whole: true })), frames)
    expect(deltas.map(({ type }) => type)).toEqual(['text', 'finish'])
    expect(textOf(deltas)).toBe('ab')
  })
})

describe('citations', () => {
  const result = part({
    phase: 'tool_response',
    tool_name: 'search',
    delta_content:
      '[ref_id=turn0search0†One†https://example.com/a_(b)]\ntext\n【2†Two†https://example.com/two】\n[ref_id=turn0view3†Bad†javascript:alert(1)]',
  })
  test.each([
    ['a known mark is a link', 'a【turn0search0】b', 'a[1](https://example.com/a_%28b%29)b'],
    ['numbered results of the older form are known by their place', '【turn0search1】', '[2](https://example.com/two)'],
    ['a mark of no known result disappears', 'a【turn7search7】b', 'ab'],
    ['a result without a web address has no link', 'a【turn0view3】b', 'ab'],
    ['other text in such brackets stays', 'a【重要】【】b【turn0search】', 'a【重要】【】b【turn0search】'],
    ['a bracket nobody closes is text', 'a【turn0sear', 'a【turn0sear'],
  ])('%s', (_name, text, expected) => {
    const marked = [...text].map(answer)
    expect(textOf(runTransform(decoder(optionsWith({})), [result, ...marked, done()]))).toBe(expected)
  })

  test('a long text after an open bracket is not held until the end', () => {
    expect(steps([answer(`【${'x'.repeat(100)}`)], { whole: false })).toEqual([[`【${'x'.repeat(76)}`]])
  })
})

describe('tools the backend runs', () => {
  const bytesOf = (name: string) => cases.find((item) => item.name === name)?.bytes ?? new Uint8Array()

  test('a block of a declared name is a call of the client', async () => {
    const deltas = await decoded(bytesOf('glm-block-tool-call'), 7, { declaredTools: new Set(['open_url']) })
    expect(deltas.filter(({ type }) => type === 'tool-call' || type === 'server-tool')).toEqual([
      {
        type: 'tool-call',
        key: 'call_99ff',
        id: 'call_99ff',
        name: 'open_url',
        arguments: '{"url":"https://example.com/a?b=1","note":"say \\"hi\\""}',
      },
    ])
  })

  const block = (id: string, result = '') =>
    `<glm_block >${JSON.stringify({ data: { metadata: { id, name: 'search', arguments: '{}', result } } })}</glm_block>`

  test.each([true, false])('an edit of the second block leaves the first alone (whole: %p)', (whole) => {
    const first = block('call_1')
    const frames = [answer(first), answer(block('call_2')), edit(first.length, block('call_3')), answer('ok'), done()]
    expect(heardOf(runTransform(decoder(optionsWith({ whole })), frames)).tools.map(({ id }) => id)).toEqual([
      'call_1',
      'call_3',
    ])
  })

  test('a sent block that is edited is reported once, and its pages can still be cited', () => {
    const frames = [
      answer(`${block('call_1')}${'x'.repeat(40)}`),
      edit(0, `${block('call_1', '[ref_id=turn0search0†One†https://example.com/one]')}${'x'.repeat(40)}`),
      answer('【turn0search0】'),
      done(),
    ]
    const received = heardOf(runTransform(decoder(optionsWith({ whole: false })), frames))
    expect(received.tools).toHaveLength(1)
    expect(received.text).toBe(`${'x'.repeat(40)}[1](https://example.com/one)`)
  })

  const page = '[ref_id=turn0search0†One†https://example.com/one]'
  test.each<[string, string, string, string, object]>([
    ['a search of several words', 'search', '{"search_query":[{"q":"a"},{"q":"b"}]}', page, { query: 'a; b' }],
    ['a search of the older form', 'search', '{"queries":["a"]}', page, { query: 'a' }],
    ['a search that found nothing', 'web_search', '{"query":"a"}', '', { query: 'a' }],
    ['a page that led to others', 'open_url', '{"url":"https://example.com"}', page, {}],
  ])('%s is a web search', (_name, name, args, result, expected) => {
    expect(toolSeen(name, args, result)).toMatchObject({ kind: 'web-search', ...expected })
  })

  test.each([
    ['a page that was opened', 'open_url', '{"url":"https://example.com"}', 'Words on the page.'],
    ['a search for images', 'search_image', '{"query":"cats"}', '[{"type":"text","text":"Title: Cat"}]'],
    ['a search for nobody knows what', 'search', '{"query":7', ''],
  ])('%s is none', (_name, name, args, result) => {
    expect(toolSeen(name, args, result)).toMatchObject({ kind: 'other', sources: [] })
  })

  function toolSeen(name: string, args: string, result: string) {
    const metadata = { id: 'call_1', name, arguments: args, result }
    const frames = [answer(`<glm_block >${JSON.stringify({ data: { metadata } })}</glm_block>`), answer('ok'), done()]
    return runTransform(decoder(optionsWith({ whole: true })), frames).flatMap((delta) =>
      delta.type === 'server-tool' ? [delta.tool] : [],
    )[0]
  }

  test('an unreadable block is dropped and noted in the log', () => {
    const notes: string[] = []
    const frames = [answer('a<glm_block >{oops}</glm_block>\nb'), done()]
    const deltas = runTransform(decoder(optionsWith({ annotate: (note) => notes.push(note) })), frames)
    expect([textOf(deltas), notes]).toEqual(['ab', ['skipped an unreadable tool block']])
  })

  test.each([
    ['arguments that are an object', '{"data":{"metadata":{"name":"bash","arguments":{"command":"ls"}}}}'],
    [
      'a result that is a list',
      '{"data":{"metadata":{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}","result":[1]}}}',
    ],
    ['a comma too many', '{"data":{"metadata":{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}",},}}'],
  ])('a block of a client’s tool with %s is a call', (_name, json) => {
    const options = optionsWith({ declaredTools: new Set(['bash']) })
    const deltas = runTransform(decoder(options), [answer(`a<glm_block >${json}</glm_block>`), done()])
    expect(deltas.flatMap((delta) => (delta.type === 'tool-call' ? [[delta.name, delta.arguments]] : []))).toEqual([
      ['bash', '{"command":"ls"}'],
    ])
  })

  test.each([true, false])('a block that names a client’s tool and cannot be read is an error, whole: %s', (whole) => {
    const options = optionsWith({ declaredTools: new Set(['bash']), whole })
    const frames = [answer('a<glm_block >{"data":{"metadata":{"name":"bash"<oops</glm_block>'), answer('b'), done()]
    expect(runTransform(decoder(options), frames).at(-1)).toMatchObject({
      type: 'error',
      error: { code: 'upstream_malformed' },
    })
  })

  test.each(['query', 'id', 'arguments', 'type', 'mcp', 'result', 'bash'])(
    'a block of the backend’s own tool that cannot be read is skipped, though it has the name of the client’s tool “%s” elsewhere',
    (name) => {
      const notes: string[] = []
      const options = optionsWith({ declaredTools: new Set([name]), annotate: (note) => notes.push(note) })
      const metadata = '"id":"c1","name":"search","arguments":"{"query": "a", b" c"}","result":"bash" "name":"bash"'
      const block = `<glm_block >{"type":"mcp","data":{"metadata":{${metadata}, w</glm_block>`
      const deltas = runTransform(decoder(options), [answer('a'), answer(block), answer('b'), done()])
      expect([textOf(deltas), deltas.at(-1)?.type, notes]).toEqual([
        'ab',
        'finish',
        ['skipped an unreadable tool block'],
      ])
    },
  )

  test('a call in fields after the end of the message is made', () => {
    const options = optionsWith({ declaredTools: new Set(['bash']) })
    const call = part({
      phase: 'tool_call',
      delta_name: 'bash',
      delta_arguments: '{}',
      metadata: { tool_call_id: 'c' },
    })
    const expected = [
      { type: 'text', text: 'Look:' },
      { type: 'tool-call', key: 'c', id: 'c', name: 'bash', arguments: '{}' },
      { type: 'finish', reason: 'stop' },
    ]
    for (const end of [[], ['[DONE]']])
      expect(runTransform(decoder(options), [answer('Look:'), done(), call, ...end])).toEqual(expected as Delta[])
  })

  test.each([
    ['with a message', '{"code":429,"message":"too many"}'],
    ['with words', 'gone'],
  ])('an event named error %s is an error', async (_name, data) => {
    const bytes = Buffer.from(`data: ${answer('a')}\n\nevent: error\ndata: ${data}\n\ndata: [DONE]\n\n`)
    expect((await decoded(bytes, 7, { whole: true })).map(({ type }) => type)).toEqual(['text', 'error'])
  })

  test('a call in fields is a call of the client if its name is declared, with or without a result', () => {
    const call = (id: string) => [
      part({ phase: 'tool_call', delta_name: 'bash', delta_arguments: '{"comm', metadata: { tool_call_id: id } }),
      part({ phase: 'tool_call', delta_arguments: 'and":"ls"}', metadata: { type: 'function' } }),
    ]
    const result = part({
      phase: 'tool_response',
      tool_name: 'bash',
      delta_content: 'a.txt',
      metadata: { tool_call_id: 'call_1' },
    })
    const options = optionsWith({ declaredTools: new Set(['bash']) })
    const frames = [answer('Look:'), ...call('call_1'), result, ...call('call_2'), done()]
    expect(runTransform(decoder(options), frames)).toEqual([
      { type: 'text', text: 'Look:' },
      { type: 'tool-call', key: 'call_1', id: 'call_1', name: 'bash', arguments: '{"command":"ls"}' },
      { type: 'tool-call', key: 'call_2', id: 'call_2', name: 'bash', arguments: '{"command":"ls"}' },
      { type: 'finish', reason: 'stop' },
    ])
  })

  test('a call without text is an answer', () => {
    const frames = [part({ phase: 'tool_call', delta_name: 'bash', delta_arguments: '{}' }), done()]
    const deltas = runTransform(decoder(optionsWith({ declaredTools: new Set(['bash']) })), frames)
    expect(deltas.map(({ type }) => type)).toEqual(['tool-call', 'finish'])
  })

  test('a stream that breaks off makes no call', () => {
    const frames = [part({ phase: 'tool_call', delta_name: 'bash', delta_arguments: '{"com' })]
    expect(runTransform(decoder(optionsWith({ declaredTools: new Set(['bash']) })), frames)).toEqual([])
  })
})

type Op = { type: 'append' | 'rewind'; at: number; text: string; thinking: boolean }

const tokens = fc.constantFrom(
  'word ',
  'x',
  '\n',
  '\n\n',
  ' ',
  '> ',
  '>',
  '🌡',
  '𠮷祥',
  '\ud83c',
  '\udf21',
  '<',
  '<b>',
  open,
  '<details type="reas',
  'oning" done="true">\n> ',
  '</details>',
  '\n</details>\n',
  '</det',
  '<details>',
  '<summary>',
  'Thought</summary>',
  '<glm_block >{',
  '<glm_block',
  '}</glm_block>',
  '</glm_block>\n',
  'a longer stretch of plain text to be sent',
)
const ops = fc.array(
  fc.record({
    type: fc.constantFrom('append' as const, 'append' as const, 'rewind' as const),
    at: fc.nat(1000),
    text: fc.array(tokens, { maxLength: 4 }).map((parts) => parts.join('')),
    thinking: fc.boolean(),
  }),
  { maxLength: 25 },
)

describe('after any appends and rewinds', () => {
  test('a whole reply matches its final text', () => {
    fc.assert(
      fc.property(ops, (steps) => {
        const { frames, units } = played(steps)
        expect(proseOf(runTransform(decoder(optionsWith({ whole: true })), frames))).toEqual(told(units))
      }),
      { numRuns: runs(1000) },
    )
  })

  test('a streamed reply is the same, as long as no sent text was rewritten', () => {
    let compared = 0
    fc.assert(
      fc.property(ops, (steps) => {
        const { frames, units } = played(steps)
        const notes: string[] = []
        const prose = proseOf(
          runTransform(
            decoder(optionsWith({ whole: false, holdFrom: '<b>', annotate: (note) => notes.push(note) })),
            frames,
          ),
        )
        expect(prose.text.isWellFormed() && prose.reasoning.isWellFormed()).toBe(true)
        if (notes.includes('rewrote sent text')) return
        compared++
        expect(prose).toEqual(told(units))
      }),
      { numRuns: runs(1000) },
    )
    expect(compared).toBeGreaterThan(0.3 * runs(1000))
  })
})

interface Unit {
  unit: string
  thinking: boolean
}

/** The frames of some edits, and the text they leave behind, unit by unit. */
function played(steps: readonly Op[]): { frames: string[]; units: Unit[] } {
  let units: Unit[] = []
  const frames = steps.map(({ type, at, text, thinking }) => {
    const phase = thinking ? 'thinking' : 'answer'
    const cut = type === 'append' ? units.length : at % (units.length + 2)
    const isInPair = isFirstHalf(units[cut - 1]?.unit ?? '') && cut < units.length
    units = [...units.slice(0, isInPair ? cut - 1 : cut), ...text.split('').map((unit) => ({ unit, thinking }))]
    return type === 'append' ? part({ phase, delta_content: text }) : edit(cut, text, phase)
  })
  return { frames, units }
}

/** A simple reference implementation: it matches patterns in the final text. */
function told(written: readonly Unit[]): { text: string; reasoning: string } {
  // A high surrogate belongs to the piece that completes the pair, and is dropped if it is the last unit.
  const units = written.flatMap(({ unit, thinking }, at) => {
    if (!isFirstHalf(unit)) return [{ unit, thinking }]
    const next = written[at + 1]
    return next ? [{ unit, thinking: next.thinking }] : []
  })
  const raw = units
    .map(({ unit }) => unit)
    .join('')
    .toWellFormed()
  const pattern =
    /(\s*)<details type="reasoning"[^<>]{0,400}>([\s\S]*?)(?:(<\/details>)\n?|$)|<glm_block(?:\s[^<>]{0,400})?>\s{0,8}\{[\s\S]*?(?:<\/glm_block>\n?|$)/g
  const said = { text: '', reasoning: '' }
  const plain = (from: number, to: number) => {
    for (let unit = from; unit < to; unit++) said[units[unit]?.thinking ? 'reasoning' : 'text'] += raw[unit]
  }
  let at = 0
  for (const match of raw.matchAll(pattern)) {
    plain(at, match.index)
    at = match.index + match[0].length
    const [, space = '', inner, closed] = match
    if (inner === undefined) continue
    said.text += space
    const lines = inner
      .replace(/^(?:\s*<summary>[\s\S]*?(?:<\/summary>|$))*\s*/, '')
      .replace(closed ? /\n$/ : /$^/, '')
      .replace(/^> ?/gm, '')
    said.reasoning += (said.reasoning !== '' && lines !== '' ? '\n\n' : '') + lines
  }
  plain(at, units.length)
  return said
}

function isFirstHalf(unit: string): boolean {
  return /[\ud800-\udbff]/.test(unit)
}

describe('what is counted', () => {
  const counted = (frames: string[], meter: MeteredCall = characterMeter(), more: Partial<DecodeOptions> = {}) => {
    meter.sent()
    const deltas = runTransform(decoder(optionsWith({ meter, ...more })), frames)
    return { deltas, usage: meter.usage() }
  }

  test('is text once, however often an edit repeats it, also before it is sent', () => {
    const written = `${open}\n> Let me see.`
    const frames = [
      thinking(`${open}\n> Let me`),
      thinking(' see.'),
      part({ phase: 'answer', edit_index: 32, edit_content: 'true">\n> Let me see.\n</details>\nHello' }),
    ]
    const { usage } = counted(frames)
    const shown = `${written.slice(0, 32)}true">\n> Let me see.\n</details>\nHello`
    expect(usage).toEqual({ inputTokens: 10, outputTokens: shown.length })
  })

  test('is for the prompt what tools have found, and for the reply how they were called', () => {
    const frames = [
      part({ phase: 'tool_call', delta_name: 'search', delta_arguments: '{"q":', metadata: { tool_call_id: 'c' } }),
      part({ phase: 'tool_call', delta_arguments: '"ra"}', metadata: { tool_call_id: 'c' } }),
      part({ phase: 'tool_response', tool_name: 'search', delta_content: 'found', metadata: { tool_call_id: 'c' } }),
      answer('Rain.'),
    ]
    expect(counted(frames).usage).toEqual({
      inputTokens: 10 + 'found'.length,
      outputTokens: 'search{"q":"ra"}Rain.'.length,
    })
  })

  test('is the usage of the site where it sends one, whatever comes behind it', () => {
    const usage = part({ phase: 'other', usage: { prompt_tokens: 500, completion_tokens: 600 } })
    expect(counted([answer('Hello'), usage, answer(' world'), done()]).usage).toEqual({
      inputTokens: 500,
      outputTokens: 600,
    })
  })

  test('is nothing of a reply that is refused', () => {
    const refusal = part({ done: true, error: { code: 'INTERNAL_ERROR', detail: 'Oops' } })
    expect(counted([refusal]).usage).toBeUndefined()
  })

  test('ends a reply that is held back once it has more than is paid for', () => {
    const limit = { tokens: 1_000, pieceLength: 100 }
    const meter = callMeter({ upstream: 'u', model: 'm', inputTokens: 10, countTokens: (text) => text.length, limit })
    const frames = Array.from({ length: 200 }, () => answer('0123456789'.repeat(2)))
    const { deltas } = counted([...frames, done()], meter, { whole: true })
    expect(heardOf(deltas)).toMatchObject({ finish: 'length', last: 'finish' })
    expect(textOf(deltas).length).toBeLessThan(1_000 + 120)
    expect(meter.usage()?.outputTokens).toBeLessThan(1_000 + 120)
  })
})

function optionsWith(options: Partial<DecodeOptions>): DecodeOptions {
  return { whole: true, declaredTools: new Set(), annotate: () => {}, ...options }
}

function part(data: object): string {
  return JSON.stringify({ type: 'chat:completion', data })
}
function answer(text: string): string {
  return part({ phase: 'answer', delta_content: text })
}
function thinking(text: string): string {
  return part({ phase: 'thinking', delta_content: text })
}
function edit(index: number, text: string, phase = 'answer'): string {
  return part({ phase, edit_index: index, edit_content: text })
}
function done(): string {
  return part({ phase: 'done', done: true })
}

/** The prose of every step: what one frame brought. */
function steps(frames: readonly string[], options: Partial<DecodeOptions>): string[][] {
  const machine = decoder(optionsWith(options))
  return frames.map((frame) => {
    const out: Delta[] = []
    machine.push(frame, out)
    return out.flatMap((delta) => ('text' in delta ? [delta.text] : []))
  })
}

async function decoded(bytes: Uint8Array, size: number, options: Partial<DecodeOptions>): Promise<Delta[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const step = Math.min(size, bytes.length)
      for (let at = 0; at < bytes.length; at += step) controller.enqueue(bytes.slice(at, at + step))
      controller.close()
    },
  })
  const read = sseDeltas(body, {
    label: 'Z.AI',
    decoder: decoder(optionsWith(options)),
    clock: manualClock(),
    signal: new AbortController().signal,
    idleMs: 1000,
  })
  const source = pipe(
    read,
    channels({ tools: [], scanLimit: 0, frames: false, whole: false, empty: emptyResponse, annotate() {} }),
  )
  const deltas: Delta[] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source)) deltas.push(...batch)
  return deltas
}

function textOf(deltas: readonly Delta[]): string {
  return proseOf(deltas).text
}

function proseOf(deltas: readonly Delta[]): { text: string; reasoning: string } {
  const prose = { text: '', reasoning: '' }
  for (const delta of deltas) if (delta.type === 'text' || delta.type === 'reasoning') prose[delta.type] += delta.text
  return prose
}

function heardOf(deltas: readonly Delta[]) {
  const prose = proseOf(deltas)
  const tools = deltas.flatMap((delta) => (delta.type === 'server-tool' ? [delta.tool] : []))
  const failed = deltas.find((delta) => delta.type === 'error')
  return {
    text: tidy(prose.text),
    reasoning: tidy(prose.reasoning),
    tools: tools.map(({ id, name, arguments: args }) => ({ id, name, arguments: args })),
    sources: tools.flatMap((tool): WebSource[] => tool.sources),
    usage: deltas.find((delta) => delta.type === 'usage')?.usage,
    error: failed && asGatewayError(failed.error).code,
    finish: deltas.find((delta) => delta.type === 'finish')?.reason,
    last: deltas.at(-1)?.type,
  }
}

/** The decoder leaves calls in prose as text: for a recording of one, the answer is what stands behind the reasoning. */
function wanted(expected: Expected): ReturnType<typeof heardOf> {
  const { usage, error } = expected
  const text = expected.declared_tools
    ? (expected.raw_buffer ?? '').replace(/^<details[\s\S]*<\/details>\n/, '')
    : (expected.content_links ?? expected.content ?? '')
  const last = { done: 'finish', '[DONE]': 'finish', eof: 'text', error: 'error' } as const
  return {
    text: tidy(text),
    reasoning: tidy(expected.reasoning ?? ''),
    tools: expected.server_tools ?? [],
    sources: (expected.citations ?? []).map(({ ref_id, title, url }) => ({ refId: ref_id, title, url })),
    usage: usage
      ? {
          inputTokens: usage.prompt_tokens,
          outputTokens: usage.completion_tokens,
          cachedInputTokens: usage.prompt_tokens_details.cached_tokens,
        }
      : undefined,
    error: error?.gateway_code,
    finish: error || expected.ended_by === 'eof' ? undefined : 'stop',
    last: error ? 'error' : last[expected.ended_by],
  }
}

function tidy(text: string): string {
  return text.trim().replace(/\n{3,}/g, '\n\n')
}
