import { describe, expect, test } from 'bun:test'
import type { Message } from '../../../src/core/request.ts'
import { call, decode, text, user } from './decoding.ts'

const result = (callId: string, ...words: string[]): Message => ({
  ...{ role: 'tool' as const, callId, isError: false },
  parts: words.map(text),
})

describe('a conversation', () => {
  const png = 'data:image/png;base64,AAAA'
  const image = { type: 'image' as const, source: { type: 'base64' as const, mediaType: 'image/png', data: 'AAAA' } }

  test.each<[string, object, Message[]]>([
    ['as one text of Responses', { input: 'Hi' }, [user('Hi')]],
    [
      'as items of Responses, with instructions in front',
      {
        instructions: 'Be brief.',
        input: [
          { role: 'developer', content: [{ type: 'input_text', text: 'Use tools.' }] },
          { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Read a.txt' }] },
          { type: 'reasoning', summary: [{ type: 'summary_text', text: 'A file.' }], encrypted_content: 'x' },
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Reading.', annotations: [] }] },
          { type: 'function_call', call_id: 'c1', name: 'read', arguments: '{"path":"a.txt"}' },
          { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'hello' }] },
        ],
      },
      [
        { role: 'system', text: 'Be brief.' },
        { role: 'system', text: 'Use tools.' },
        user('Read a.txt'),
        {
          role: 'assistant',
          parts: [{ type: 'reasoning', text: 'A file.' }, text('Reading.'), call('c1', 'read', '{"path":"a.txt"}')],
        },
        result('c1', 'hello'),
      ],
    ],
    [
      'of messages that are items, too',
      {
        messages: [
          { role: 'user', content: 'Go' },
          { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'f', arguments: { a: 1 } },
          { type: 'function_call_output', call_id: 'c1', output: 'done' },
        ],
      },
      [user('Go'), { role: 'assistant', parts: [call('c1', 'f', '{"a":1}')] }, result('c1', 'done')],
    ],
    [
      'of blocks of Messages, with a system prompt in front',
      {
        system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Read both' }] },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'Two files.', signature: 'x' },
              { type: 'text', text: 'Reading.' },
              { type: 'tool_use', id: 't1', name: 'read', input: { path: 'a' } },
              { type: 'tool_use', id: 't2', name: 'read', input: {} },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'A' }] },
              { type: 'tool_result', tool_use_id: 't2', content: 'no such file', is_error: true },
              { type: 'text', text: 'And now?' },
            ],
          },
        ],
      },
      [
        { role: 'system', text: 'Be brief.' },
        user('Read both'),
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'Two files.' },
            text('Reading.'),
            call('t1', 'read', '{"path":"a"}'),
            call('t2', 'read', '{}'),
          ],
        },
        result('t1', 'A'),
        { role: 'tool', callId: 't2', parts: [text('no such file')], isError: true },
        user('And now?'),
      ],
    ],
    [
      'with images and files in the words of all three',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'input_image', image_url: png },
              { type: 'image_url', image_url: png },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
              { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
              { type: 'document', title: 'T', source: { type: 'text', media_type: 'text/plain', data: 'words' } },
              { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
              { type: 'input_file', file_url: 'https://a.example/b.pdf' },
            ],
          },
        ],
      },
      [
        {
          role: 'user',
          parts: [
            image,
            image,
            image,
            { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
            text('<document title="T">\nwords\n</document>'),
            {
              type: 'document',
              title: 'a.pdf',
              source: { type: 'base64', mediaType: 'application/pdf', data: 'AAAA' },
            },
            { type: 'document', source: { type: 'url', url: 'https://a.example/b.pdf' } },
          ],
        },
      ],
    ],
    [
      'with images of a system and an assistant, shown by the user',
      {
        messages: [
          {
            role: 'system',
            content: [
              { type: 'text', text: 'Logo:' },
              { type: 'image_url', image_url: { url: png } },
            ],
          },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'Drawn.' },
              { type: 'image', source: { type: 'url', url: 'https://a.example/c.png' } },
            ],
          },
          { role: 'user', content: 'Which?' },
        ],
      },
      [
        { role: 'system', text: 'Logo:' },
        { role: 'user', parts: [image] },
        { role: 'assistant', parts: [text('Drawn.')] },
        {
          role: 'user',
          parts: [{ type: 'image', source: { type: 'url', url: 'https://a.example/c.png' } }, text('Which?')],
        },
      ],
    ],
    [
      'whose calls stand as blocks and as calls',
      {
        messages: [
          { role: 'user', content: 'Go' },
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: 'c1', name: 'f', input: { a: 1 } }],
            tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'done' },
        ],
      },
      [user('Go'), { role: 'assistant', parts: [call('c1', 'f', '{"a":1}')] }, result('c1', 'done')],
    ],
    [
      'whose calls are flat',
      {
        messages: [
          { role: 'user', content: 'Go' },
          { role: 'assistant', content: null, tool_calls: [{ id: 'c1', name: 'f', arguments: {} }, { name: 'g' }] },
        ],
      },
      [user('Go'), { role: 'assistant', parts: [call('c1', 'f', '{}'), call('', 'g', '{}')] }],
    ],
    [
      'whose content is one part, or a part is a text',
      {
        messages: [
          { role: 'user', content: { type: 'text', text: 'a' } },
          { role: 'user', content: ['b', { text: 'c' }] },
        ],
      },
      [user('a'), user('b', 'c')],
    ],
    [
      'that says who speaks',
      {
        messages: [
          { role: 'user', name: 'alice', content: 'Hi' },
          { role: 'user', name: 'user', content: 'Hi' },
        ],
      },
      [user('alice: Hi'), user('Hi')],
    ],
    [
      'that shows examples',
      {
        messages: [
          { role: 'system', name: 'example_user', content: 'Hi' },
          { role: 'user', content: 'Ho' },
        ],
      },
      [{ role: 'system', text: 'example_user: Hi' }, user('Ho')],
    ],
  ])('%s', (_name, body, expected) => {
    const { request } = decode(body)
    expect(request.messages).toEqual(expected)
    expect(request.ignored).toEqual([])
  })

  test.each<[string, object[], Message[], string[]]>([
    [
      'calls without ids, names and arguments',
      [
        { role: 'assistant', tool_calls: [{ type: 'function', function: { name: '', arguments: null } }, {}] },
        { role: 'tool', content: 'a' },
        { role: 'tool', tool_call_id: null, content: null },
      ],
      [{ role: 'assistant', parts: [call('', '', '{}'), call('', '', '{}')] }, result('', 'a'), result('')],
      [],
    ],
    [
      'blocks of any kind in any role',
      [
        { role: 'system', content: [{ type: 'of_tomorrow', note: 'a' }] },
        {
          role: 'assistant',
          content: [
            { type: 'fallback', from: { model: 'x' } },
            { type: 'redacted_thinking', data: 'sealed' },
          ],
        },
        { role: 'user', content: [{ type: 'of_tomorrow', deep: { text: 'b' } }] },
        { role: 'tool', tool_call_id: 'x', content: [{ type: 'of_tomorrow', n: 1 }] },
      ],
      [
        { role: 'system', text: '<of_tomorrow>\n{"note":"a"}\n</of_tomorrow>' },
        { role: 'assistant', parts: [text('<fallback>\n{"from":{"model":"x"}}\n</fallback>')] },
        user('<of_tomorrow>\n{"deep":{"text":"b"}}\n</of_tomorrow>'),
        result('x', '<of_tomorrow>\n{"n":1}\n</of_tomorrow>'),
      ],
      ['messages.1.content.1 (redacted_thinking)'],
    ],
    [
      'items of any kind',
      [
        { role: 'user', content: 'Go' },
        { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'q' } },
        { type: 'computer_call_output', call_id: 'x', output: { type: 'text', text: 'seen' } },
        { type: 'of_tomorrow' },
        { role: 'user', content: 'On' },
      ],
      [
        user('Go'),
        {
          role: 'assistant',
          parts: [text('<web_search_call>\n{"action":{"type":"search","query":"q"}}\n</web_search_call>')],
        },
        result('x', 'seen'),
        user('On'),
      ],
      ['messages.3 (of_tomorrow)'],
    ],
    [
      'files by id in an older turn',
      [
        { role: 'user', content: [{ type: 'file', file: { file_id: 'file_1' } }] },
        { role: 'assistant', content: 'Read.' },
        { role: 'user', content: 'On' },
      ],
      [
        user('[A file was attached here, but it could not be read.]'),
        { role: 'assistant', parts: [text('Read.')] },
        user('On'),
      ],
      ['messages.0.content.0 (file)'],
    ],
    [
      'the value a tool has returned',
      [
        { role: 'tool', tool_call_id: 'x', content: [{ city: 'Riga' }] },
        { role: 'user', content: 'On' },
      ],
      [result('x', '[{"city":"Riga"}]'), user('On')],
      [],
    ],
    [
      'an answer that was spoken, and calls told twice',
      [
        { role: 'user', content: 'Go' },
        { role: 'assistant', content: null, audio: { id: 'audio_1' } },
        {
          role: 'assistant',
          reasoning_content: 'Hm.',
          content: [
            { type: 'thinking', thinking: 'Hm.' },
            { type: 'tool_use', id: 'c', name: 'f', input: {} },
            { type: 'tool_use', id: 'c', name: 'f', input: {} },
          ],
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
      ],
      [
        user('Go'),
        { role: 'assistant', parts: [{ type: 'reasoning', text: 'Hm.' }, call('c', 'f', '{}'), call('c', 'f', '{}')] },
      ],
      ['messages.1.audio'],
    ],
    [
      'names of assistants',
      [
        { role: 'assistant', name: 'bob', content: 'a' },
        { role: 'assistant', name: 'eve', content: 'b' },
      ],
      [
        { role: 'assistant', parts: [text('a')] },
        { role: 'assistant', parts: [text('b')] },
      ],
      ['messages.name (assistant)'],
    ],
  ])('made elsewhere is never refused: %s', (_name, messages, expected, ignored) => {
    const { request } = decode({ messages })
    expect(request.messages).toEqual(expected)
    expect(request.ignored).toEqual(ignored)
  })
})
