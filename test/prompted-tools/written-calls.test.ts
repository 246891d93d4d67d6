import { describe, expect, test } from 'bun:test'
import { bash, call, ls, parse, reasoning } from './parsing.ts'

describe('a written call becomes a tool call', () => {
  test.each([
    ['in the recommended form', bash, [ls]],
    [
      'with white space inside the tag',
      '<tool_call>\n {"name": "bash",\n "arguments": {"command": "ls"}}\n</tool_call>',
      [ls],
    ],
    ['with its arguments before its name', '<tool_call>{"arguments":{"command":"ls"},"name":"bash"}</tool_call>', [ls]],
    [
      'with arguments as JSON text',
      String.raw`<tool_call>{"name":"bash","arguments":"{\"command\":\"ls\"}"}</tool_call>`,
      [ls],
    ],
    ['with arguments called parameters', '<tool_call>{"name":"bash","parameters":{"command":"ls"}}</tool_call>', [ls]],
    ['with arguments called input', '<tool_call>{"name":"bash","input":{"command":"ls"}}</tool_call>', [ls]],
    ['with arguments called args', '<tool_call>{"name":"bash","args":{"command":"ls"}}</tool_call>', [ls]],
    ['with arguments beside the name', '<tool_call>{"name":"bash","command":"ls"}</tool_call>', [ls]],
    ['without arguments', '<tool_call>{"name":"bash"}</tool_call>', [call('bash', {})]],
    [
      'in the OpenAI shape inside the tag',
      '<tool_call>{"type":"function","function":{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}"}}</tool_call>',
      [ls],
    ],
    [
      'as a list inside one tag',
      '<tool_call>[{"name":"bash","arguments":{"command":"ls"}},{"name":"bash"}]</tool_call>',
      [ls, call('bash', {})],
    ],
    [
      'as objects joined inside one tag',
      '<tool_call>{"name":"bash","arguments":{"command":"ls"}}{"name":"bash","arguments":{}}</tool_call>',
      [ls, call('bash', {})],
    ],
    [
      'with a closing tag inside a string',
      '<tool_call>{"name":"bash","arguments":{"command":"echo </tool_call> {"}}</tool_call>',
      [call('bash', { command: 'echo </tool_call> {' })],
    ],
    [
      'with raw line breaks in a string',
      '<tool_call>{"name":"bash","arguments":{"command":"a\nb"}}</tool_call>',
      [call('bash', { command: 'a\nb' })],
    ],
    [
      'with paired inner quotes left bare',
      '<tool_call>{"name":"bash","arguments":{"command":"echo "a, b" >c"}}</tool_call>',
      [call('bash', { command: 'echo "a, b" >c' })],
    ],
    ['with a brace too many', '<tool_call>{"name":"bash","arguments":{"command":"ls"}}}</tool_call>', [ls]],
    [
      'with a misspelt name',
      '<tool_call>{"name":"functions.Get-Weather","arguments":{}}</tool_call>',
      [call('get_weather', {})],
    ],
    [
      'with types mended by the schema',
      '<tool_call>{"name":"bash","arguments":{"command":7,"timeout":"30"}}</tool_call>',
      [call('bash', { command: '7', timeout: 30 })],
    ],
    [
      'in the native template',
      '<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>ls</arg_value>\n</tool_call>',
      [ls],
    ],
    [
      'in the native template on one line',
      '<tool_call>bash<arg_key>command</arg_key><arg_value>ls</arg_value></tool_call>',
      [ls],
    ],
    [
      'in the native template, typed by the schema',
      '<tool_call>search_docs\n<arg_key>query</arg_key>\n<arg_value>12</arg_value>\n<arg_key>limit</arg_key>\n<arg_value>3</arg_value>\n<arg_key>filters</arg_key>\n<arg_value>{"lang": "en"}</arg_value>\n</tool_call>',
      [call('search_docs', { query: '12', limit: 3, filters: { lang: 'en' } })],
    ],
    [
      'in the native template with a closing tag in a value',
      '<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>echo </tool_call></arg_value>\n</tool_call>',
      [call('bash', { command: 'echo </tool_call>' })],
    ],
    ['in the native template without arguments', '<tool_call>bash\n</tool_call>', [call('bash', {})]],
    ['as a name and JSON inside the tag', '<tool_call>bash\n{"command":"ls"}</tool_call>', [ls]],
    [
      'as a tool_calls object that is the message',
      '\n{"tool_calls":[{"id":"x","type":"function","function":{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}"}}]}\n',
      [ls],
    ],
    ['as a name and arguments object that is the message', '{ "name": "bash", "arguments": {"command":"ls"} }', [ls]],
    [
      'as several objects that are the message',
      '{"name":"bash","arguments":{"command":"ls"}}\n{"name":"bash","arguments":{}}',
      [ls, call('bash', {})],
    ],
    [
      'as a JSON fence that is the message',
      '```json\n{"tool_calls":[{"name":"bash","arguments":{"command":"ls"}}]}\n```\n',
      [ls],
    ],
    ['as a fence whose end is missing', '```\n{"name":"bash","arguments":{"command":"ls"}}', [ls]],
    ['as a fence around the recommended form', `~~~xml\n${bash}\n${bash}\n~~~`, [ls, ls]],
    [
      'as function_call elements',
      '<function_calls>\n<function_call>\n<tool>bash</tool>\n<args_json><![CDATA[{"command":"echo </function_calls>"}]]></args_json>\n</function_call>\n</function_calls>',
      [call('bash', { command: 'echo </function_calls>' })],
    ],
    [
      'as a function_call element without CDATA',
      '<function_calls><function_call><tool>bash</tool><args_json>{"command":"ls"}</args_json></function_call></function_calls>',
      [ls],
    ],
    [
      'as invoke elements',
      '<function_calls><invoke name="bash"><parameter name="command">ls</parameter><parameter name="timeout">30</parameter></invoke><invoke name="bash"></invoke></function_calls>',
      [call('bash', { command: 'ls', timeout: 30 }), call('bash', {})],
    ],
    [
      'as tool_call elements',
      '<tool_calls><tool_call id="1"><name>bash</name><arguments><![CDATA[{"command":"ls"}]]></arguments></tool_call></tool_calls>',
      [ls],
    ],
    ['as recommended calls inside tool_calls', `<tool_calls>${bash}</tool_calls>`, [ls]],
    ['as JSON inside tool_calls', '<tool_calls>[{"name":"bash","arguments":{"command":"ls"}}]</tool_calls>', [ls]],
    ['twice with white space between', `${bash}\n\n${bash}`, [ls, ls]],
    [
      'with calls joined into its arguments',
      String.raw`<tool_call>{"name":"bash","arguments":"{\"name\":\"bash\",\"arguments\":{\"command\":\"ls\"}}{\"name\":\"bash\",\"arguments\":{}}"}</tool_call>`,
      [ls, call('bash', {})],
    ],
  ])('%s', (_name, text, expected) => {
    expect(parse(text)).toEqual({ text: '', calls: expected, end: 'stop' })
  })

  test.each([
    ['as code', 'bash(command="ls")', [ls]],
    [
      'as code with several values',
      "bash(command='echo \"it\\'s\" (a)', timeout=3)\n",
      [call('bash', { command: `echo "it's" (a)`, timeout: 3 })],
    ],
    ['as code without arguments', 'bash()', [call('bash', {})]],
    ['as a name and JSON', 'bash{"command": "ls"}', [ls]],
  ])('%s, right after reasoning', (_name, text, expected) => {
    expect(parse(text, [reasoning])).toEqual({ text: '', calls: expected, end: 'stop' })
    expect(parse(text)).toEqual({ text, calls: [], end: 'stop' })
  })
})
