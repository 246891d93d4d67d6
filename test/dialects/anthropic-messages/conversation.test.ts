import { describe, expect, test } from 'bun:test'
import { encodeEchoed } from '../../../src/core/echoed-text.ts'
import type { Message } from '../../../src/core/request.ts'
import { assistant, call, decode, decodeBody, read, result, seen, user, words } from './decoding.ts'

const image = { type: 'image' as const, source: { type: 'base64' as const, media_type: 'image/png', data: 'AA' } }
const pdf = { type: 'document', source: { type: 'url', url: 'https://example.org/a.pdf' } }

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

test('an image of the instructions comes with the first words of the user', () => {
  const request = decodeBody({ system: [words('logo:'), image, { type: 'mood', value: 'calm' }] })
  expect(request.messages).toEqual([
    { role: 'system', text: 'logo:' },
    user(words('[This belongs to the instructions above:]'), seen),
    user(words('Hello')),
  ])
  expect(request.ignored).toEqual(['system.2 (mood)'])
})
