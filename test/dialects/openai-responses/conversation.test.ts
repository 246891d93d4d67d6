import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import fc from 'fast-check'
import type { Message, UserPart } from '../../../src/core/request.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { runs } from '../../support/effort.ts'
import { requestContext } from '../../support/request-context.ts'
import { thrownBy } from '../stream.ts'

const door = TypeCompiler.Compile(openaiResponses.body)
const question = { role: 'user', content: 'Well?' }
const asked: Message = { role: 'user', parts: [{ type: 'text', text: 'Well?' }] }
const text = (words: string): UserPart => ({ type: 'text', text: words })
const user = (...parts: UserPart[]): Message => ({ role: 'user', parts })
const assistant = (words: string): Message => ({ role: 'assistant', parts: [{ type: 'text', text: words }] })
const call = (id: string, name: string, args: string): Message => ({
  role: 'assistant',
  parts: [{ type: 'tool-call', id, name, arguments: args }],
})
const result = (callId: string, ...parts: UserPart[]): Message => ({ role: 'tool', callId, parts, isError: false })
const png = 'data:image/png;base64,AAAA'
const image: UserPart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } }
const pdf: UserPart = {
  type: 'document',
  title: 'a.pdf',
  source: { type: 'base64', mediaType: 'application/pdf', data: 'AAAA' },
}
const shown = text('[Shown with the messages before:]')

/** What a model is told of items before a question, and what is named as left out. */
function told(...items: unknown[]) {
  const body = { model: 'glm-5', input: [...items, question] }
  expect(door.Check(body)).toBe(true)
  const { messages, ignored } = openaiResponses.decode(body, requestContext()).request
  expect(messages.at(-1)).toEqual(asked)
  return { messages: messages.slice(0, -1), ignored }
}

describe('a history made elsewhere is told, whatever is wrong with it:', () => {
  test.each<[string, unknown[], Message[]]>([
    ['a call without an id', [{ type: 'function_call', name: 'f', arguments: '{}' }], [call('', 'f', '{}')]],
    [
      'a call without a name',
      [{ type: 'function_call', call_id: 'c', name: '', arguments: '' }],
      [call('c', '', '{}')],
    ],
    [
      'arguments as an object',
      [{ type: 'function_call', call_id: 'c', name: 'f', arguments: { a: 1 } }],
      [call('c', 'f', '{"a":1}')],
    ],
    [
      'arguments of null',
      [{ type: 'function_call', call_id: 'c', name: 'f', arguments: null }],
      [call('c', 'f', '{}')],
    ],
    [
      'a freeform call of something else',
      [{ type: 'custom_tool_call', call_id: 7, name: 'f', input: { a: 1 } }],
      [call('', 'f', '{"input":"{\\"a\\":1}"}')],
    ],
    ['a shell call without its action', [{ type: 'shell_call', call_id: 'c' }], [call('c', 'shell', '{}')]],
    ['a patch of nothing', [{ type: 'apply_patch_call', call_id: 'c' }], [call('c', 'apply_patch', '{}')]],
    ['a result without a call', [{ type: 'function_call_output', output: 'x' }], [result('', text('x'))]],
    [
      'a result that names its tool instead of its call',
      [{ type: 'function_call_output', name: 'create_thread', output: 'thread made' }],
      [user(text('[Result of an earlier call of create_thread]'), text('thread made'))],
    ],
    [
      'the same, of a tool that was called',
      [
        { type: 'function_call', name: 'f', arguments: '{}' },
        { type: 'function_call_output', name: 'f', output: 'x' },
      ],
      [call('', 'f', '{}'), result('', text('x'))],
    ],
    ['a result that is null', [{ type: 'custom_tool_call_output', call_id: 'c', output: null }], [result('c')]],
    [
      'a result that is an object',
      [{ type: 'function_call_output', call_id: 'c', output: { a: 1 } }],
      [result('c', text('{"a":1}'))],
    ],
    [
      'a result that is a list of a tool',
      [{ type: 'function_call_output', call_id: 'c', output: [{ a: 1 }, 2] }],
      [result('c', text('[{"a":1},2]'))],
    ],
    ['shell output as text', [{ type: 'shell_call_output', call_id: 'c', output: 'x' }], [result('c', text('x'))]],
    [
      'shell output without an outcome',
      [{ type: 'shell_call_output', call_id: 'c', output: [{ stdout: 'x' }] }],
      [result('c', text('x\n[exit code unknown]'))],
    ],
    ['a text in place of an item', ['Hi'], [user(text('Hi'))]],
    [
      'content that is one part',
      [{ role: 'assistant', content: { type: 'output_text', text: 'a' } }],
      [assistant('a')],
    ],
    ['content that is a number', [{ role: 'assistant', content: 7 }], [assistant('7')]],
    ['content of null', [{ role: 'assistant', content: null }], []],
    ['parts that are texts', [{ role: 'assistant', content: ['a'] }], [assistant('a')]],
    [
      'parts beside what is not read',
      [
        {
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'a', refusal: 7 },
            { type: 'refusal', refusal: 'b', text: 7 },
          ],
        },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
    ],
    [
      'a part nobody knows',
      [{ role: 'user', content: [{ type: 'input_poll', id: 'p', question: 'Tea?', data: 'A'.repeat(600) }] }],
      [user(text('<input_poll>\n{"question":"Tea?"}\n</input_poll>'))],
    ],
    [
      "reasoning of another server's, in plain text",
      [{ type: 'reasoning', id: 'rs_9', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] }],
      [{ role: 'assistant', parts: [{ type: 'reasoning', text: 'Hm.' }] }],
    ],
    [
      'a call of a hosted tool',
      [{ type: 'mcp_call', id: 'm1', name: 'wx', server_label: 's', arguments: '{}', output: 'SUNNY-42' }],
      [
        { role: 'assistant', parts: [{ type: 'tool-call', id: 'm1', name: 's__wx', arguments: '{}' }] },
        { role: 'tool', callId: 'm1', parts: [text('SUNNY-42')], isError: false },
      ],
    ],
    [
      'a call of a hosted tool without an id',
      [{ type: 'mcp_call', name: 'wx', server_label: 's', arguments: '{}', output: 'SUNNY-42' }],
      [assistant('<mcp_call>\n{"name":"wx","server_label":"s","arguments":"{}","output":"SUNNY-42"}\n</mcp_call>')],
    ],
    ['the tools of a server', [{ type: 'mcp_list_tools', server_label: 's', tools: [{ name: 'a' }] }], []],
    [
      'a call that nobody has approved',
      [{ type: 'mcp_approval_request', id: 'mcpr_1', name: 'wx', server_label: 's', arguments: '{}' }],
      [
        { role: 'assistant', parts: [{ type: 'tool-call', id: 'mcpr_1', name: 's__wx', arguments: '{}' }] },
        {
          role: 'tool',
          callId: 'mcpr_1',
          parts: [text('This call was not made: nobody has approved it.')],
          isError: false,
        },
      ],
    ],
    [
      'a search in files',
      [{ type: 'file_search_call', id: 'f', status: 'completed', queries: ['a'], results: [{ text: 'b', score: 1 }] }],
      [assistant('<file_search_call>\n{"queries":["a"],"results":[{"text":"b","score":1}]}\n</file_search_call>')],
    ],
    [
      'a search of the web with what it found',
      [{ type: 'web_search_call', id: 'w', action: { type: 'search', query: 'a' }, results: [{ title: 'b' }] }],
      [assistant('<web_search_call>\n{"type":"search","query":"a","results":[{"title":"b"}]}\n</web_search_call>')],
    ],
    [
      'code that ran elsewhere',
      [{ type: 'code_interpreter_call', id: 'i', code: '1+1', outputs: [{ type: 'logs', logs: '2' }] }],
      [
        assistant(
          '<code_interpreter_call>\n{"code":"1+1","outputs":[{"type":"logs","logs":"2"}]}\n</code_interpreter_call>',
        ),
      ],
    ],
    [
      'an image that was made elsewhere',
      [{ type: 'image_generation_call', id: 'g', result: 'AAAA', revised_prompt: 'a cat', status: 'completed' }],
      [assistant('<image_generation_call>\n{"revised_prompt":"a cat"}\n</image_generation_call>'), user(shown, image)],
    ],
    [
      'a screen',
      [
        { type: 'computer_call', call_id: 'c', action: { type: 'click', x: 1 }, pending_safety_checks: [] },
        { type: 'computer_call_output', call_id: 'c', output: { type: 'computer_screenshot', image_url: png } },
      ],
      [assistant('<computer_call>\n{"action":{"type":"click","x":1}}\n</computer_call>'), user(shown, image)],
    ],
    [
      'a permission',
      [{ type: 'mcp_approval_response', approval_request_id: 'r', approve: true }],
      [user(text('<mcp_approval_response>\n{"approve":true}\n</mcp_approval_response>'))],
    ],
    [
      'an item of the future',
      [{ type: 'of_the_future', id: 'x', words: 'a' }],
      [user(text('<of_the_future>\n{"words":"a"}\n</of_the_future>'))],
    ],
  ])('%s', (_name, items, messages) => {
    expect(told(...items)).toEqual({ messages, ignored: [] })
  })
})

describe('what cannot be told is named:', () => {
  test.each<[string, object[], Message[], string[]]>([
    [
      'what another server sealed',
      [{ type: 'reasoning', id: 'rs_9', encrypted_content: 'x' }],
      [],
      ['input.0 (reasoning)'],
    ],
    [
      'what another server summed up',
      [{ type: 'reasoning', id: 'rs_9', summary: [{ type: 'summary_text', text: 'a' }] }],
      [],
      ['input.0 (reasoning)'],
    ],
    [
      'a conversation that another server compacted',
      [{ type: 'compaction', encrypted_content: 'x' }],
      [],
      ['input.0 (compaction)'],
    ],
    [
      'a setting',
      [{ type: 'configuration_update', reasoning: { effort: 'low' } }],
      [],
      ['input.0 (configuration_update)'],
    ],
    ['a reasoning item that is not stored', [{ type: 'item_reference', id: 'rs_1' }], [], ['input.0 (item_reference)']],
    [
      'words that are not stored, and the model knows that they are missing',
      [
        { type: 'item_reference', id: 'msg_1' },
        { type: 'item_reference', id: 'fc_1' },
      ],
      [user(text('[Something that was said here is not stored on this server.]'))],
      ['input.0 (item_reference)', 'input.1 (item_reference)'],
    ],
    ['an item of nothing', [{ type: 'of_the_future', id: 'x' }], [], ['input.0 (of_the_future)']],
    ['a part of nothing', [{ role: 'assistant', content: [{ type: 'smell' }] }], [], ['input.0.content.0 (smell)']],
    [
      'an image of an older turn that cannot be read',
      [
        { role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] },
        { role: 'assistant', content: 'a' },
      ],
      [user(text('[An image was attached here, but it could not be read.]')), assistant('a')],
      ['input.0.content.0 (input_image)'],
    ],
    [
      'an image of a result that cannot be read',
      [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'input_image', image_url: 'file:///etc/x' }] }],
      [result('c', text('[An image was attached here, but it could not be read.]'))],
      ['input.0.output.0 (input_image)'],
    ],
    [
      "a file of the developer's that cannot be read",
      [{ role: 'developer', content: [{ type: 'input_file', file_id: 'file_1' }] }],
      [{ role: 'system', text: '[A file was attached here, but it could not be read.]' }],
      ['input.0.content.0 (input_file)'],
    ],
  ])('%s', (_name, items, messages, ignored) => {
    expect(told(...items)).toEqual({ messages, ignored })
  })
})

describe('images and files of a system or an assistant', () => {
  const imageItem = { type: 'input_image', image_url: png }
  const file = { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' }
  const note = { type: 'input_file', filename: 'a.txt', file_data: 'data:text/plain;base64,aGVsbG8=' }

  test('follow in a turn of their own, behind the turn they came with', () => {
    const items = [
      { role: 'developer', content: [{ type: 'input_text', text: 'logo:' }, imageItem] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'a' }, file] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'x' },
    ]
    expect(told(...items)).toEqual({
      messages: [
        { role: 'system', text: 'logo:' },
        {
          role: 'assistant',
          parts: [
            { type: 'text', text: 'a' },
            { type: 'tool-call', id: 'c', name: 'f', arguments: '{}' },
          ],
        },
        result('c', text('x')),
        user(shown, image, pdf),
      ],
      ignored: [],
    })
  })

  test('are words where they are a text', () => {
    const words = '<document title="a.txt">\nhello\n</document>'
    expect(told({ role: 'system', content: [note] }, { role: 'assistant', content: [note] })).toEqual({
      messages: [{ role: 'system', text: words }, assistant(words)],
      ignored: [],
    })
  })
})

test('whatever stands in a history, it never ends the conversation', () => {
  const types = [
    'message',
    'reasoning',
    'function_call',
    'custom_tool_call',
    'local_shell_call',
    'shell_call',
    'apply_patch_call',
    'tool_search_call',
    'function_call_output',
    'custom_tool_call_output',
    'local_shell_call_output',
    'shell_call_output',
    'apply_patch_call_output',
    'tool_search_output',
    'additional_tools',
    'web_search_call',
    'item_reference',
    'mcp_call',
    'image_generation_call',
    'computer_call_output',
    'tool_use',
    'tool_result',
    'function',
  ]
  const part = fc.record(
    {
      type: fc.constantFrom(
        'input_text',
        'output_text',
        'input_image',
        'image_url',
        'input_file',
        'file',
        'tool_use',
        'x',
      ),
      text: fc.jsonValue({ maxDepth: 1 }),
      image_url: fc.jsonValue({ maxDepth: 1 }),
      file: fc.jsonValue({ maxDepth: 1 }),
      source: fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: [] },
  )
  const any = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.array(part, { maxLength: 3 }), part)
  const names = [
    'id',
    'call_id',
    'name',
    'content',
    'output',
    'arguments',
    'input',
    'action',
    'operation',
    'summary',
    'encrypted_content',
    'tools',
    'result',
    'tool_calls',
    'function_call',
    'function',
    'status',
  ]
  const item = fc.record(
    {
      type: fc.oneof(fc.constantFrom(...types), fc.jsonValue({ maxDepth: 0 })),
      role: fc.constantFrom('user', 'assistant', 'system', 'developer', 'tool', 'function', 'critic', null, 7),
      ...Object.fromEntries(names.map((name) => [name, any])),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(item, { maxLength: 6 }), (items) => {
      told(...items, { role: 'assistant', content: 'So it was.' })
    }),
    { numRuns: runs(100) },
  )
})

test('what a user has just sent is refused where it cannot be read, and in no older turn', () => {
  const unread = { role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] }
  const decoded = (input: object[]) => openaiResponses.decode({ model: 'glm-5', input }, requestContext()).request
  expect(thrownBy(() => decoded([unread]))).toMatchObject({ param: 'input.0.content.0.file_id' })
  expect(decoded([unread, { role: 'assistant', content: 'a' }, question]).messages).toHaveLength(3)
})
