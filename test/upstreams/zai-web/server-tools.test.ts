import { describe, expect, test } from 'bun:test'
import type { Delta } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { decoder } from '../../../src/upstreams/zai-web/decode.ts'
import { answer, cases, decoded, done, edit, heardOf, optionsWith, part, textOf } from './decoding.ts'

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
