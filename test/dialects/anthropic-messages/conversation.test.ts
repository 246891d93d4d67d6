import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import fc from 'fast-check'
import { encodeEchoed } from '../../../src/core/echoed-text.ts'
import type { AssistantPart, Message, UserPart } from '../../../src/core/request.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(anthropicMessages.body)

function decode(...messages: object[]) {
  return decodeBody({ messages })
}

function decodeBody(fields: object) {
  const body = { model: 'glm-5', max_tokens: 10, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  expect([...door.Errors(body)]).toEqual([])
  return anthropicMessages.decode(body, requestContext()).request
}

const words = (text: string) => ({ type: 'text' as const, text })
const user = (...parts: UserPart[]): Message => ({ role: 'user', parts })
const assistant = (...parts: AssistantPart[]): Message => ({ role: 'assistant', parts })
const result = (callId: string, ...parts: UserPart[]): Message => ({ role: 'tool', callId, parts, isError: false })
const call = (id: string, name: string, args: string): AssistantPart => ({
  type: 'tool-call',
  id,
  name,
  arguments: args,
})
const image = { type: 'image' as const, source: { type: 'base64' as const, media_type: 'image/png', data: 'AA' } }
const seen: UserPart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AA' } }
const pdf = { type: 'document', source: { type: 'url', url: 'https://example.org/a.pdf' } }
const read: UserPart = { type: 'document', title: undefined, source: { type: 'url', url: 'https://example.org/a.pdf' } }

describe('a history made elsewhere', () => {
  test.each<[string, object[], Message[], string[]]>([
    ['no content', [{ role: 'user' }, { role: 'assistant' }], [user()], []],
    [
      'content of nothing',
      [
        { role: 'user', content: null },
        { role: 'assistant', content: null },
        { role: 'system', content: null },
      ],
      [user()],
      [],
    ],
    [
      'empty texts',
      [{ role: 'user', content: [{ type: 'text', text: '' }, { type: 'text', text: null }, { type: 'text' }] }],
      [user()],
      [],
    ],
    [
      'calls and results without ids and names',
      [
        { role: 'assistant', content: [{ type: 'tool_use', id: '', name: '' }, { type: 'tool_use' }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: '' },
            { type: 'tool_result', content: null },
          ],
        },
      ],
      [assistant(call('', '', '{}'), call('', '', '{}')), result(''), result('')],
      [],
    ],
    [
      'results that are no blocks, texts that are no blocks, arguments that are text',
      [
        { role: 'user', content: ['a', { type: 'text', text: 'b' }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: '{"a":1}' }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't', content: { found: 3 } },
            { type: 'tool_result', tool_use_id: 'u', content: 0 },
            { type: 'tool_result', tool_use_id: 'v', content: ['c'] },
          ],
        },
      ],
      [
        user(words('a'), words('b')),
        assistant(call('t', 'f', '{"a":1}')),
        result('t', words('{"found":3}')),
        result('u', words('0')),
        result('v', words('c')),
      ],
      [],
    ],
    [
      'a result in an answer',
      [
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 't', name: 'f', input: {} },
            { type: 'tool_result', tool_use_id: 't', content: 'done' },
            { type: 'text', text: 'So.' },
          ],
        },
      ],
      [assistant(call('t', 'f', '{}')), result('t', words('done')), assistant(words('So.'))],
      [],
    ],
    [
      'a block of tomorrow with words',
      [{ role: 'assistant', content: [{ type: 'insight', content: 'It rains.' }] }],
      [assistant(words('<insight>\nIt rains.\n</insight>'))],
      [],
    ],
    [
      'a block of tomorrow with blocks of words',
      [{ role: 'user', content: [{ type: 'insights', name: 'sky', output: [{ text: 'It' }, { text: 'rains.' }] }] }],
      [user(words('<insights name="sky">\nIt\nrains.\n</insights>'))],
      [],
    ],
    [
      'blocks without words in an answer',
      [
        { role: 'user', content: 'a' },
        {
          role: 'assistant',
          content: [
            { type: 'fallback', from: { model: 'x' }, to: { model: 'y' } },
            { type: 'container_upload', file_id: 'f' },
            { type: 'compaction', content: null, encrypted_content: 'zzz' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
      [user(words('a')), assistant(words('b'))],
      [
        'messages.1.content.0 (fallback)',
        'messages.1.content.1 (container_upload)',
        'messages.1.content.2 (compaction)',
      ],
    ],
    [
      'the state of a browser in a result',
      [
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 't',
              content: [{ type: 'browser_state', tabs: [{ tab_id: '1', title: 'News' }], cache_control: null }],
            },
          ],
        },
      ],
      [result('t', words('<browser_state>\n{"tabs":[{"tab_id":"1","title":"News"}]}\n</browser_state>'))],
      [],
    ],
    [
      'bytes nobody can read',
      [{ role: 'user', content: [{ type: 'smell', source: { type: 'base64', data: 'AAAA' } }] }],
      [user(words('[smell was attached here; it cannot be read.]'))],
      ['messages.0.content.0 (smell)'],
    ],
    [
      'an image as MCP has it',
      [
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 't',
              content: [
                { type: 'image', data: 'AA', mimeType: 'image/png' },
                { type: 'resource', resource: { uri: 'file:///a', text: 'b' } },
              ],
            },
          ],
        },
      ],
      [result('t', seen, words('<resource>\n{"resource":{"uri":"file:///a","text":"b"}}\n</resource>'))],
      [],
    ],
    [
      'bytes inside of words, and in the place of words',
      [
        {
          role: 'assistant',
          content: [
            { type: 'web_fetch_tool_result', content: { url: 'https://example.org', data: 'QUJD'.repeat(200) } },
            { type: 'song', content: 'QUJD'.repeat(200) },
            { type: 'a>\nb', content: 'c' },
          ],
        },
      ],
      [
        assistant(
          words('<web_fetch_tool_result>\n{"url":"https://example.org","data":"[data]"}\n</web_fetch_tool_result>'),
          words('<a__b>\nc\n</a__b>'),
        ),
      ],
      ['messages.0.content.1 (song)'],
    ],
    [
      'thinking of ours, shown or not',
      [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: encodeEchoed('msg_1') },
            { type: 'thinking', thinking: '', signature: encodeEchoed('msg_1\nunshown\nthoughts') },
            { type: 'thinking', thinking: '', signature: encodeEchoed('msg_1') },
            { type: 'text', text: 'b' },
          ],
        },
      ],
      [assistant({ type: 'reasoning', text: 'Hm' }, { type: 'reasoning', text: 'unshown\nthoughts' }, words('b'))],
      [],
    ],
    [
      'thinking of another model, once',
      [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: 'x' },
            { type: 'redacted_thinking', data: 'y' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
      [assistant(words('b'))],
      ['messages (thinking of another model)'],
    ],
    [
      'blocks of another role',
      [
        { role: 'user', content: [{ type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }] },
        { role: 'system', content: [{ type: 'search_result', source: 's', title: 't', content: [words('found')] }] },
        { role: 'assistant', content: [{ type: 'tool_reference', tool_name: 'f' }] },
      ],
      [
        user(words('<tool_use name="f">\n{"a":1}\n</tool_use>')),
        { role: 'system', text: '<search_result title="t" source="s">\nfound\n</search_result>' },
        assistant(words('Tool f is now available.')),
      ],
      [],
    ],
    [
      'images and files of instructions and answers',
      [
        { role: 'system', content: [words('logo:'), image] },
        { role: 'user', content: 'Draw' },
        { role: 'assistant', content: [words('Here:'), image, pdf] },
        { role: 'user', content: 'Whose?' },
      ],
      [
        { role: 'system', text: 'logo:' },
        user(words('[This belongs to the instructions above:]'), seen),
        user(words('Draw')),
        assistant(words('Here:')),
        user(words('[This belongs to the answer above:]'), seen, read),
        user(words('Whose?')),
      ],
      [],
    ],
    [
      'an image of an answer never parts a call from its result',
      [
        { role: 'assistant', content: [image, { type: 'tool_use', id: 't', name: 'f', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'done' }] },
      ],
      [
        assistant(call('t', 'f', '{}')),
        result('t', words('done')),
        user(words('[This belongs to the answer above:]'), seen),
      ],
      [],
    ],
    [
      'instructions for one turn',
      [
        { role: 'user', content: 'a' },
        { role: 'system', content: 'Be brief.', clear_at: 'next_user_message' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
        { role: 'system', content: 'Be kind.', clear_at: 'next_user_message', output_config: { effort: 'low' } },
      ],
      [user(words('a')), assistant(words('b')), user(words('c')), { role: 'system', text: 'Be kind.' }],
      ['messages.4.output_config'],
    ],
  ])('%s', (_name, messages, expected, ignored) => {
    const request = decode(...messages)
    expect(request.messages).toEqual(expected)
    expect(request.ignored).toEqual(ignored)
  })
})

describe('what OpenAI’s APIs call', () => {
  test.each<[string, object[], Message[]]>([
    [
      'parts',
      [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'a' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
            { type: 'image_url', image_url: 'https://example.org/a.png' },
            { type: 'input_image', image_url: 'data:image/png;base64,AA' },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,AA', filename: 'a.pdf' } },
            { type: 'input_file', file_url: 'https://example.org/a.pdf' },
          ],
        },
      ],
      [
        user(
          words('a'),
          seen,
          { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } },
          seen,
          { type: 'document', title: 'a.pdf', source: { type: 'base64', mediaType: 'application/pdf', data: 'AA' } },
          read,
        ),
      ],
    ],
    [
      'the developer',
      [{ role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] }],
      [{ role: 'system', text: 'Be brief.' }],
    ],
    [
      'a tool, its call and its result',
      [
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'Hm',
          tool_calls: [
            { id: 't', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
            { id: 'u', type: 'function', function: { name: 'f', arguments: { a: 2 } } },
            { id: 'v', type: 'custom', custom: { name: 'g', input: 'ls' } },
          ],
        },
        { role: 'tool', tool_call_id: 't', content: 'one' },
        { role: 'tool', tool_call_id: 'u', content: [{ type: 'text', text: 'two' }] },
      ],
      [
        assistant(
          { type: 'reasoning', text: 'Hm' },
          call('t', 'f', '{"a":1}'),
          call('u', 'f', '{"a":2}'),
          call('v', 'g', '{"input":"ls"}'),
        ),
        result('t', words('one')),
        result('u', words('two')),
      ],
    ],
    [
      'a function, its call and its result',
      [
        { role: 'assistant', content: 'Well', function_call: { name: 'f', arguments: '' } },
        { role: 'function', name: 'f', content: 'one' },
      ],
      [assistant(words('Well'), call('function_call_0', 'f', '{}')), result('function_call_0', words('one'))],
    ],
    [
      'a refusal',
      [
        { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
        { role: 'assistant', refusal: 'Never.' },
      ],
      [assistant(words('No.')), assistant(words('Never.'))],
    ],
  ])('%s', (_name, messages, expected) => {
    const request = decode(...messages)
    expect(request.messages).toEqual(expected)
    expect(request.ignored).toEqual([])
  })
})

test('files by their ids in older turns are a sentence, and named', () => {
  const stored = { type: 'file', file_id: 'f' }
  const request = decode(
    {
      role: 'user',
      content: [
        { type: 'image', source: stored },
        { type: 'document', source: stored },
        { type: 'container_upload', file_id: 'f' },
        { type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: stored }] },
        { type: 'image_url', image_url: { url: 'a.png' } },
      ],
    },
    { role: 'assistant', content: [words('Well'), { type: 'container_upload', file_id: 'f' }] },
    { role: 'user', content: 'So?' },
  )
  const attached = (type: string) => words(`[${type} was attached here; it cannot be read.]`)
  expect(request.messages).toEqual([
    result('t', attached('image')),
    user(attached('image'), attached('document'), attached('container_upload'), attached('image_url')),
    assistant(words('Well')),
    user(words('So?')),
  ])
  expect(request.ignored).toEqual([
    'messages.0.content.0 (image)',
    'messages.0.content.1 (document)',
    'messages.0.content.2 (container_upload)',
    'messages.0.content.3.content.0 (image)',
    'messages.0.content.4 (image_url)',
    'messages.1.content.1 (container_upload)',
  ])
})

describe('files by their ids are refused where the user has just sent them', () => {
  const stored = 'files by id are not stored here; send the content as base64, text or a URL.'
  const upload =
    'container_upload names a file by its id, and files are not stored here; send its content as a document.'
  test.each<[string, object, string, string]>([
    ['an upload', { type: 'container_upload', file_id: 'f' }, '', `: ${upload}`],
    [
      'an upload in a result',
      { type: 'tool_result', tool_use_id: 't', content: [{ type: 'container_upload', file_id: 'f' }] },
      '.content.0',
      `: ${upload}`,
    ],
    ['OpenAI’s image', { type: 'input_image', file_id: 'f' }, '.file_id', `: ${stored}`],
    ['OpenAI’s file', { type: 'file', file: { file_id: 'f' } }, '.file_id', `: ${stored}`],
    [
      'an image of nothing',
      { type: 'image' },
      '.source',
      ': a source is required, of the type base64 with media_type and data, or url with url.',
    ],
    [
      'an image from nowhere',
      { type: 'image_url', image_url: { url: 'a.png' } },
      '.image_url',
      ': expected an http(s) URL or a base64 data URL.',
    ],
  ])('%s', (_name, block, path, message) => {
    const param = `messages.0.content.1${path}`
    expect(thrownBy(() => decode({ role: 'user', content: [words('a'), block] }))).toMatchObject({
      kind: 'invalid-request',
      param,
      message: param + message,
    })
  })
})

test('an image of the instructions comes with the first words of the user', () => {
  const request = decodeBody({ system: [words('logo:'), image, { type: 'mood', value: 'calm' }] })
  expect(request.messages).toEqual([
    { role: 'system', text: 'logo:' },
    user(words('[This belongs to the instructions above:]'), seen),
    user(words('Hello')),
  ])
  expect(request.ignored).toEqual(['system.2 (mood)'])
})

test('a block nobody knows is told or named, whatever it holds and wherever it stands', () => {
  const type = fc.string({ minLength: 1, maxLength: 8 }).map((name) => `x-${name}`)
  const members = fc.dictionary(
    fc.constantFrom('text', 'content', 'data', 'source', 'from', 'tool', 'x'),
    fc.jsonValue(),
  )
  const block = fc.tuple(type, members).map(([type, rest]) => ({ ...rest, type }))
  const places: ((block: object) => object)[] = [
    (told) => ({ role: 'user', content: [told] }),
    (told) => ({ role: 'assistant', content: [told] }),
    (told) => ({ role: 'system', content: [told] }),
    (told) => ({ role: 'developer', content: [told] }),
    (told) => ({ role: 'tool', tool_call_id: 't', content: [told] }),
    (told) => ({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [told] }] }),
  ]
  fc.assert(
    fc.property(block, fc.constantFrom(...places), (told, index) => {
      const request = decode({ role: 'user', content: 'Hello' }, index(told))
      const tag = told.type.replaceAll(/[^\w.:-]/g, '_')
      const words = JSON.stringify(request.messages.slice(1))
      const isTold = words.includes(tag) || words.includes(JSON.stringify(told.type).slice(1, -1))
      expect(isTold || request.ignored.some((name) => name.includes(told.type))).toBe(true)
    }),
  )
})
