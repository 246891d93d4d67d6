import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { ChatRequest, Message } from '../../../src/core/request.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { requestContext } from '../../support/request-context.ts'

/** What programs made for other APIs post to Chat Completions, in every combination. */
const door = TypeCompiler.Compile(openaiChat.body)

function decode(body: object) {
  const asked = { model: 'glm-5', ...body }
  expect([...door.Errors(asked)].map(({ path, message }) => `${path} ${message}`)).toEqual([])
  return openaiChat.decode(asked, requestContext())
}

const text = (words: string) => ({ type: 'text' as const, text: words })
const user = (...words: string[]): Message => ({ role: 'user', parts: words.map(text) })
const call = (id: string, name: string, args: string) => ({ type: 'tool-call' as const, id, name, arguments: args })
const result = (callId: string, ...words: string[]): Message => ({
  ...{ role: 'tool' as const, callId, isError: false },
  parts: words.map(text),
})

const schema = { type: 'object', properties: { path: { type: 'string' } } }

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

describe('tools', () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  const read = { name: 'read', description: 'd', parameters: schema, strict: undefined }

  test.each<[string, object]>([
    ['of Chat Completions', { type: 'function', function: { name: 'read', description: 'd', parameters: schema } }],
    ['without their type', { function: { name: 'read', description: 'd', parameters: schema } }],
    ['of Responses', { type: 'function', name: 'read', description: 'd', parameters: schema }],
    ['flat and without their type', { name: 'read', description: 'd', parameters: schema }],
    ['of Messages', { name: 'read', description: 'd', input_schema: schema }],
    ['of Messages, with their type', { type: 'custom', name: 'read', description: 'd', input_schema: schema }],
  ])('%s', (_name, tool) => {
    expect(decode({ messages, tools: [tool] }).request.tools).toEqual([read])
  })

  test.each<[string, unknown, ChatRequest['toolChoice'], string[]]>([
    ['nested', { type: 'function', function: { name: 'read' } }, { name: 'read' }, ['read', 'patch']],
    ['flat', { type: 'function', name: 'read' }, { name: 'read' }, ['read', 'patch']],
    ['of Messages', { type: 'tool', name: 'read' }, { name: 'read' }, ['read', 'patch']],
    ['without a type', { function: { name: 'read' } }, { name: 'read' }, ['read', 'patch']],
    ['any, as a word', 'any', 'required', ['read', 'patch']],
    ['any, of Messages', { type: 'any' }, 'required', ['read', 'patch']],
    ['auto, of Messages', { type: 'auto' }, 'auto', ['read', 'patch']],
    ['none, of Messages', { type: 'none' }, 'none', ['read', 'patch']],
    ['freeform, nested', { type: 'custom', custom: { name: 'patch' } }, { name: 'patch' }, ['read', 'patch']],
    ['freeform, flat', { type: 'custom', name: 'patch' }, { name: 'patch' }, ['read', 'patch']],
    [
      'some, nested',
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'custom', custom: { name: 'patch' } }] },
      },
      'required',
      ['patch'],
    ],
    [
      'some, flat',
      {
        type: 'allowed_tools',
        mode: 'auto',
        tools: [
          { type: 'custom', name: 'patch' },
          { type: 'mcp', server_label: 'x' },
        ],
      },
      'auto',
      ['patch'],
    ],
  ])('are chosen: %s', (_name, tool_choice, expected, offered) => {
    const tools = [
      { type: 'function', name: 'read', parameters: schema },
      { type: 'custom', custom: { name: 'patch' } },
    ]
    const { request } = decode({ messages, tools, tool_choice })
    expect(request.toolChoice).toEqual(expected)
    expect(request.tools.map(({ name }) => name)).toEqual(offered)
  })

  test('are called one at a time where Messages say so', () => {
    const asked = { messages, tools: [{ name: 'f', input_schema: schema }] }
    const tool_choice = { type: 'auto', disable_parallel_tool_use: true }
    expect(decode({ ...asked, tool_choice }).request.parallelToolCalls).toBe(false)
    expect(decode(asked).request.parallelToolCalls).toBe(true)
  })

  test('that take free text are functions of one string, and keep the grammar', () => {
    const grammar = { syntax: 'lark', definition: 'start: "a"' }
    const tools = [
      { type: 'custom', custom: { name: 'patch', description: 'd', format: { type: 'grammar', grammar } } },
      { type: 'custom', name: 'sql', format: { type: 'text' } },
      { type: 'function', function: { name: 'sql' } },
    ]
    const history = [
      { role: 'user', content: 'Go' },
      { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'sql', input: 'select' } }] },
      { role: 'tool', tool_call_id: 'c', content: 'done' },
    ]
    const { request, options } = decode({ messages: history, tools })
    expect(request.tools.map(({ name }) => name)).toEqual(['patch', 'sql_2', 'sql'])
    expect(request.tools[0]?.description).toBe(
      'd\n\nThis tool takes free text: put the whole of it into `input`, as one string.\n\nThe text must match this lark grammar:\nstart: "a"',
    )
    expect(request.tools[0]?.parameters.required).toEqual(['input'])
    expect(request.messages[1]).toEqual({ role: 'assistant', parts: [call('c', 'sql_2', '{"input":"select"}')] })
    expect(options).toMatchObject({
      customTools: [
        ['patch', 'patch'],
        ['sql_2', 'sql'],
      ],
    })
  })
})

describe('options', () => {
  const messages = [{ role: 'user', content: 'Hi' }]

  test.each<[string, object, Partial<ChatRequest>]>([
    ['max_output_tokens', { max_output_tokens: 7 }, { sampling: { maxTokens: 7 } }],
    ['stop_sequences', { stop_sequences: ['a', ''] }, { sampling: { stop: ['a'] } }],
    [
      'the format of Responses',
      { text: { format: { type: 'json_schema', name: 'n', description: 'd', schema } } },
      { output: { type: 'json', schema, name: 'n', description: 'd' } },
    ],
    [
      'the format of Messages',
      { output_config: { format: { type: 'json_schema', schema } } },
      { output: { type: 'json', schema } },
    ],
    [
      'a schema with words about it',
      { response_format: { type: 'json_schema', json_schema: { name: 'n', description: 'd', schema } } },
      { output: { type: 'json', schema, name: 'n', description: 'd' } },
    ],
    ['the effort of Responses', { reasoning: { effort: 'low' } }, { reasoning: { mode: 'on', effort: 'low' } }],
    [
      'short answers',
      { verbosity: 'low' },
      {
        messages: [{ role: 'system', text: 'Keep the answer short: what was asked for and nothing else.' }, user('Hi')],
      },
    ],
    [
      'long answers, in the words of Responses, behind the system prompt',
      { instructions: 'Be kind.', text: { verbosity: 'high' } },
      { messages: [{ role: 'system', text: 'Be kind.\n\nAnswer in detail and at length.' }, user('Hi')] },
    ],
    ['answers as they are', { verbosity: 'medium' }, { messages: [user('Hi')], ignored: [] }],
    ['answers nobody knows', { verbosity: 'loud' }, { ignored: ['verbosity (loud)'] }],
    [
      'what nobody here has',
      {
        ...{ top_k: 5, background: true, truncation: 'auto', max_tool_calls: 1, mcp_servers: [{}], input: 'Ho' },
        ...{ include: ['reasoning.encrypted_content'], include_reasoning: false, extra_body: { a: 1 } },
      },
      {
        ignored: [
          ...['input', 'top_k', 'background', 'max_tool_calls', 'truncation', 'mcp_servers'],
          ...['include', 'include_reasoning', 'extra_body'],
        ],
      },
    ],
  ])('%s', (_name, fields, expected) => {
    expect(decode({ messages, ...fields }).request).toMatchObject(expected)
  })
})
