import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { ChatRequest, ToolChoice } from '../../../src/core/request.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { call as calls, finish, head, reply, thrownBy, usage } from '../stream.ts'

const door = TypeCompiler.Compile(anthropicMessages.body)

function decode(fields: object) {
  const body = { model: 'glm-5', max_tokens: 10, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  expect([...door.Errors(body)]).toEqual([])
  return anthropicMessages.decode(body, requestContext())
}

/** The values a parameter of a tool may have, or its names of parameters. */
function enumOf({ tools }: ChatRequest, parameter: string): unknown {
  return Reflect.get(Object(propertiesOf(tools[0])[parameter]), 'enum')
}

function propertiesOf(tool: ChatRequest['tools'][number] | undefined): Record<string, unknown> {
  return Object(tool?.parameters.properties)
}

describe('tools that the client runs and Anthropic has written', () => {
  test.each<[object, string, string[], string[]]>([
    [{ type: 'bash_20241022', name: 'bash' }, 'bash', ['command', 'restart'], []],
    [{ type: 'bash_20250124', name: 'bash' }, 'bash', ['command', 'restart'], []],
    [{ type: 'bash_20991231', name: 'shell' }, 'shell', ['command', 'restart'], []],
    [
      { type: 'text_editor_20241022', name: 'str_replace_editor' },
      'str_replace_editor',
      ['command', 'path', 'file_text', 'old_str', 'new_str', 'insert_line', 'view_range'],
      ['command', 'path'],
    ],
    [
      { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
      'str_replace_based_edit_tool',
      ['command', 'path', 'file_text', 'old_str', 'new_str', 'insert_line', 'insert_text', 'view_range'],
      ['command', 'path'],
    ],
    [
      { type: 'text_editor_20991231' },
      'str_replace_based_edit_tool',
      ['command', 'path', 'file_text', 'old_str', 'new_str', 'insert_line', 'insert_text', 'view_range'],
      ['command', 'path'],
    ],
    [
      { type: 'memory_20250818', name: 'memory' },
      'memory',
      [
        'command',
        'path',
        'view_range',
        'file_text',
        'old_str',
        'new_str',
        'insert_line',
        'insert_text',
        'old_path',
        'new_path',
      ],
      ['command'],
    ],
    [
      { type: 'computer_20241022', name: 'computer', display_width_px: 800, display_height_px: 600 },
      'computer',
      ['action', 'coordinate', 'text'],
      ['action'],
    ],
    [
      { type: 'computer_20250124', name: 'computer', display_width_px: 800, display_height_px: 600 },
      'computer',
      ['action', 'coordinate', 'text', 'start_coordinate', 'scroll_direction', 'scroll_amount', 'duration'],
      ['action'],
    ],
    [
      { type: 'computer_20251124', name: 'computer', display_width_px: 1, display_height_px: 1, enable_zoom: true },
      'computer',
      ['action', 'coordinate', 'text', 'start_coordinate', 'scroll_direction', 'scroll_amount', 'duration', 'region'],
      ['action'],
    ],
  ])('%j', (tool, name, parameters, required) => {
    const { request } = decode({ tools: [tool] })
    expect(request.tools).toMatchObject([
      { name, description: expect.stringMatching(/\w/), parameters: { type: 'object', required } },
    ])
    expect(Object.keys(propertiesOf(request.tools[0]))).toEqual(parameters)
    expect(request.ignored).toEqual([])
  })

  test.each<[object, string, string[]]>([
    [{ type: 'text_editor_20250124' }, 'command', ['view', 'create', 'str_replace', 'insert', 'undo_edit']],
    [{ type: 'text_editor_20250429' }, 'command', ['view', 'create', 'str_replace', 'insert']],
    [{ type: 'memory_20250818' }, 'command', ['view', 'create', 'str_replace', 'insert', 'delete', 'rename']],
    [
      { type: 'computer_20241022' },
      'action',
      [
        'key',
        'type',
        'cursor_position',
        'mouse_move',
        'left_click',
        'left_click_drag',
        'right_click',
        'middle_click',
        'double_click',
        'screenshot',
      ],
    ],
  ])('what %j can do', (tool, parameter, values) => {
    expect(enumOf(decode({ tools: [tool] }).request, parameter)).toEqual(values)
  })

  test('a screen has its size, and a view its limit', () => {
    const { tools } = decode({
      tools: [
        { type: 'computer_20250124', display_width_px: 800, display_height_px: 600, display_number: 1 },
        { type: 'text_editor_20250728', max_characters: 9000 },
      ],
    }).request
    expect(tools.map(({ description }) => description)).toEqual([
      expect.stringContaining('800 pixels wide and 600 high. It is display 1.'),
      expect.stringContaining('At most 9000 characters'),
    ])
  })

  test('they may be strict, deferred, and shown by examples', () => {
    const bash = { type: 'bash_20250124', name: 'bash', strict: true, input_examples: [{ command: 'ls' }] }
    const { tools } = decode({
      tools: [bash, { type: 'memory_20250818', name: 'memory', defer_loading: true }],
    }).request
    expect(tools).toMatchObject([{ name: 'bash', strict: true, parameters: { examples: [{ command: 'ls' }] } }])
    expect(tools).toHaveLength(1)
  })
})

describe('toolsets', () => {
  const computer = { type: 'computer_toolset_20260801' }
  const browser = { type: 'browser_toolset_20260801' }
  const namesOf = (...tools: object[]) => decode({ tools }).request.tools.map(({ name }) => name)

  test('each member is a tool of its own', () => {
    const { request, options } = decode({ tools: [computer, browser] })
    expect(request.tools).toHaveLength(17 + 27)
    expect(request.tools.find(({ name }) => name === 'computer__scroll')).toEqual({
      name: 'computer__scroll',
      clientName: 'scroll',
      description: expect.stringContaining('Scroll the screen'),
      parameters: {
        type: 'object',
        properties: {
          scroll_direction: { type: 'string', enum: ['up', 'down', 'left', 'right'] },
          scroll_amount: { type: 'integer', description: expect.any(String) },
          coordinate: expect.objectContaining({ type: 'array' }),
          text: { type: 'string', description: expect.any(String) },
        },
        required: ['scroll_direction', 'scroll_amount'],
      },
      strict: undefined,
    })
    expect(options).toMatchObject({ toolsets: ['computer', 'browser'] })
    expect(request.ignored).toEqual([])
  })

  test.each<[string, object[], string[], string[]]>([
    ['a member is switched off', [{ ...computer, configs: { zoom: { enabled: false } } }], [], ['computer__zoom']],
    [
      'a member is switched on',
      [{ ...browser, configs: { javascript_exec: { enabled: true }, wait: null } }],
      ['browser__javascript_exec', 'browser__wait'],
      ['browser__file_upload'],
    ],
    [
      'a member is deferred',
      [{ ...computer, configs: { key: { defer_loading: true } } }],
      ['computer__type'],
      ['computer__key'],
    ],
    ['a version of tomorrow', [{ type: 'computer_toolset_20990101' }], ['computer__key'], []],
  ])('%s', (_name, tools, there, missing) => {
    const names = namesOf(...tools)
    expect(names).toEqual(expect.arrayContaining(there))
    for (const name of missing) expect(names).not.toContain(name)
  })

  test('a call names its family, whole and streamed, and comes back under the name it was called by', () => {
    const { options } = decode({ tools: [computer] })
    const use = { type: 'tool_use', id: 'id_x', name: 'wait', toolset_name: 'computer', input: { duration: 1 } }
    const told = anthropicMessages.encodeReply(
      head,
      reply(...calls('x', 'computer__wait', '{"duration":1}'), ...calls('y', 'browser__wait'), usage, finish()),
      options,
    )
    expect(told).toMatchObject({ content: [use, { type: 'tool_use', name: 'browser__wait' }] })
    const { messages } = decode({ tools: [computer], messages: [{ role: 'assistant', content: [use] }] }).request
    expect(messages).toMatchObject([{ parts: [{ name: 'computer__wait', arguments: '{"duration":1}' }] }])
  })
})

describe('tool_choice', () => {
  const own = { name: 'f', input_schema: { type: 'object' } }
  const bash = { type: 'bash_20250124', name: 'bash' }
  const search = { type: 'web_search_20250305', name: 'web_search' }
  const computer = { type: 'computer_toolset_20260801' }
  const code = { type: 'code_execution_20250825', name: 'code_execution' }
  const deferred = { ...own, name: 'later', defer_loading: true }

  test.each<[string, object, ToolChoice, object]>([
    ['a tool of Anthropic’s', { tools: [bash], tool_choice: { type: 'tool', name: 'bash' } }, { name: 'bash' }, {}],
    ['a deferred tool', { tools: [deferred], tool_choice: { type: 'tool', name: 'later' } }, { name: 'later' }, {}],
    [
      'a member of a toolset',
      { tools: [computer], tool_choice: { type: 'tool', name: 'screenshot' } },
      { name: 'computer__screenshot' },
      {},
    ],
    ['a toolset', { tools: [computer], tool_choice: { type: 'tool', name: 'computer' } }, 'required', {}],
    [
      'the search',
      { tools: [search, own], tool_choice: { type: 'tool', name: 'web_search' } },
      'none',
      { search: true, searchRules: { chosen: true } },
    ],
    [
      'any tool, where there is but the search',
      { tools: [search], tool_choice: { type: 'any' } },
      'none',
      { search: true, searchRules: { chosen: true } },
    ],
    [
      'any tool beside the search',
      { tools: [search, own], tool_choice: { type: 'any' } },
      'required',
      { search: true, searchRules: { chosen: false } },
    ],
    ['OpenAI’s words', { tools: [own], tool_choice: 'required' }, 'required', {}],
    ['OpenAI’s none', { tools: [own], tool_choice: 'none' }, 'none', {}],
    [
      'OpenAI’s function',
      { tools: [own], tool_choice: { type: 'function', function: { name: 'f' } } },
      { name: 'f' },
      {},
    ],
    ['OpenAI’s flat function', { tools: [own], tool_choice: { type: 'function', name: 'f' } }, { name: 'f' }, {}],
    ['OpenAI’s one call', { tools: [own], parallel_tool_calls: false }, 'auto', { parallelToolCalls: false }],
  ])('%s', (_name, fields, toolChoice, rest) => {
    expect(decode(fields).request).toMatchObject({ toolChoice, ...rest })
  })

  test.each(['code_execution', 'code_execution_20250825'])('%s does not run here', (name) => {
    expect(thrownBy(() => decode({ tools: [code, own], tool_choice: { type: 'tool', name } }))).toMatchObject({
      kind: 'invalid-request',
      param: 'tool_choice',
      message: expect.stringContaining('code_execution_20250825'),
    })
  })
})

describe('tools in other words', () => {
  const parameters = { type: 'object', properties: { a: { type: 'string' } } }
  const f = { name: 'f', description: 'd', parameters, strict: undefined }

  test.each<[string, object, object[]]>([
    ['nested', { tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters } }] }, [f]],
    ['nested, without a type', { tools: [{ function: { name: 'f', description: 'd', parameters } }] }, [f]],
    ['flat', { tools: [{ type: 'function', name: 'f', description: 'd', parameters }] }, [f]],
    ['flat, without a type', { tools: [{ name: 'f', description: 'd', parameters }] }, [f]],
    ['the old list', { functions: [{ name: 'f', description: 'd', parameters }] }, [f]],
    [
      'a function of nothing',
      { tools: [{ type: 'function', function: { name: 'f', strict: true } }] },
      [{ name: 'f', description: '', parameters: { type: 'object', properties: {} }, strict: true }],
    ],
  ])('%s', (_name, fields, expected) => {
    const { request } = decode(fields)
    expect(request.tools).toEqual(expected as ChatRequest['tools'])
    expect(request.ignored).toEqual([])
  })

  test('Z.AI’s own search has a switch', () => {
    const search = (enable: boolean) => decode({ tools: [{ type: 'web_search', web_search: { enable } }] }).request
    expect(search(true)).toMatchObject({ search: true, ignored: [] })
    expect(search(false)).toMatchObject({ search: false })
  })
})

test('a tool for code alone is not offered, and named, as is where the user is', () => {
  const { request } = decode({
    tools: [
      { name: 'f', input_schema: {}, allowed_callers: ['code_execution_20250825'] },
      { name: 'g', input_schema: {}, allowed_callers: ['direct', 'code_execution_20250825'] },
      { type: 'web_search_20260318', name: 'web_search', user_location: { type: 'approximate', city: 'Oslo' } },
    ],
  })
  expect(request.tools.map(({ name }) => name)).toEqual(['g'])
  expect(request.ignored).toEqual(['tools.0 (for code_execution_20250825 alone)', 'tools.2.user_location'])
})

describe('tools that a message changes', () => {
  const change = (type: string, tool: object) => ({ role: 'system', content: [{ type, tool }] })
  const definition = { name: 'g', description: 'd', input_schema: { type: 'object' } }
  const added = change('tool_addition', { type: 'tool_definition', definition })
  const removed = (name: string) => change('tool_removal', { type: 'tool_reference', name })

  test.each<[string, object[], string[]]>([
    ['one that is defined there is offered', [added], ['f', 'g']],
    ['until another takes it away', [added, removed('g')], ['f']],
    ['and is there again once it is added again', [added, removed('g'), added], ['f', 'g']],
    ['a plain one can be taken away', [removed('f')], []],
  ])('%s', (_name, messages, expected) => {
    const tools = [{ name: 'f', input_schema: { type: 'object' } }]
    expect(decode({ tools, messages }).request.tools.map(({ name }) => name)).toEqual(expected)
  })
})
