import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Delta } from '../../src/core/events.ts'
import type { Tool } from '../../src/core/request.ts'
import { runTransform } from '../../src/core/transform.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { renderCall } from '../../src/prompted-tools/prompt.ts'
import { runs } from '../support/effort.ts'

const tools: Tool[] = [
  tool('get_weather', { city: { type: 'string' }, unit: { type: 'string' } }),
  tool('bash', { command: { type: 'string' }, timeout: { type: 'integer' } }),
  tool('search_docs', { query: { type: 'string' }, limit: { type: 'integer' }, filters: { type: 'object' } }),
]

const bash = '<tool_call>{"name":"bash","arguments":{"command":"ls"}}</tool_call>'
const ls = call('bash', { command: 'ls' })
const stop: Delta = { type: 'finish', reason: 'stop' }
const reasoning: Delta = { type: 'reasoning', text: 'A listing will do.' }

type Recorded = [name: string, answer: string, text: string, calls: unknown[], end: string]
const doc =
  'To call a tool you would write:\n```xml\n<tool_call>{"name":"bash","arguments":{"command":"rm -rf build"}}</tool_call>\n```\nDo not run this.'
const rocket = '<tool_call>{"name":"launch_rocket","arguments":{}}</tool_call>'
const recorded: Recorded[] = [
  [
    'prose and a call',
    'I will check the weather.\n<tool_call>{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}</tool_call>',
    'I will check the weather.\n',
    [call('get_weather', { city: 'Paris', unit: 'celsius' })],
    'stop',
  ],
  [
    'two calls',
    String.raw`<tool_call>{"name":"bash","arguments":{"command":"echo \"a\\n\" && ls"}}</tool_call>` +
      '\n<tool_call>{"name":"search_docs","arguments":{"query":"多字节 ✅"}}</tool_call>',
    '',
    [call('bash', { command: 'echo "a\\n" && ls' }), call('search_docs', { query: '多字节 ✅' })],
    'stop',
  ],
  [
    'the native template',
    '<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>unit</arg_key>\n<arg_value>celsius</arg_value>\n</tool_call>',
    '',
    [call('get_weather', { city: 'Oslo', unit: 'celsius' })],
    'stop',
  ],
  [
    'a fenced object',
    '```json\n{"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\\"city\\":\\"Rome\\"}"}}]}\n```',
    '',
    [call('get_weather', { city: 'Rome' })],
    'stop',
  ],
  ['documentation', doc, doc, [], 'stop'],
  ['an undeclared name', rocket, rocket, [], 'stop'],
  [
    'a truncated call',
    'Running it.\n<tool_call>{"name":"bash","arguments":{"command":"rm -rf /tmp/bu',
    'Running it.\n<tool_call>{"name":"bash","arguments":{"command":"rm -rf /tmp/bu',
    [],
    'length',
  ],
  ['a call as code', 'bash(command="ls -la /tmp")', '', [call('bash', { command: 'ls -la /tmp' })], 'stop'],
]

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

test('a fence mark after other text in its line opens no fence', () => {
  expect(parse(`{ \`\`\`\n${bash}`)).toEqual({ text: '{ ```\n', calls: [ls], end: 'stop' })
})

describe('text stays text', () => {
  const undeclared =
    '<tool_call>{"name":"launch_rocket","arguments":{"note":"<tool_call>bash</tool_call>"}}</tool_call>'
  test.each([
    ['when it is plain', 'Nothing to do here: 1 < 2, `a`, {x}.'],
    ['when it is white space', '\n \n'],
    ['when the name is undeclared', undeclared],
    [
      'when the native name is undeclared',
      '<tool_call>launch\n<arg_key>a</arg_key>\n<arg_value>b</arg_value>\n</tool_call> Done.',
    ],
    ['when the whole message calls an undeclared name', '{"tool_calls":[{"name":"launch_rocket","arguments":{}}]}'],
    ['when a code fence with prose around it shows a call', `Write:\n\`\`\`xml\n${bash}\n\`\`\`\nDo not run this.`],
    ['when the fence is indented', `Write:\n  ~~~\n  ${bash}\n  ~~~\nThat is all.`],
    ['when a longer fence holds a shorter one', `So:\n\`\`\`\`md\n\`\`\`\n${bash}\n\`\`\`\n${bash}\n\`\`\`\`\n`],
    [
      'when a fence at the start is followed by prose',
      `\`\`\`json\n{"name":"bash","arguments":{"command":"ls"}}\n\`\`\`\nThat is how.`,
    ],
    ['when a fence at the start shows a tag and prose follows', `\`\`\`\n${bash}\n\`\`\`\nThat is how.`],
    ['when a fence is never closed', `Write:\n\`\`\`\n${bash}`],
    ['when a call stands in inline code', `Write \`${bash}\`.`],
    [
      'when a tag is only mentioned',
      'The tag <tool_call> is for calls, <tool_call>{json}</tool_call> and <tool_call>{…}</tool_call>.',
    ],
    ['when the form is only described', '<tool_call>{"name":"<name>","arguments":…}</tool_call>'],
    ['when a tag is cut by the end', 'Look: <tool_ca'],
    ['when JSON is data', '{"city":"Rome","name":"bash"}'],
    ['when JSON data has a name', '{"name":"bash","version":"1.0"}'],
    ['when JSON data names something else', '{"name":"left-pad","arguments":{}}'],
    ['when prose follows a JSON call', '{"name":"bash","arguments":{"command":"ls"}} would list files.'],
    ['when prose stands before a JSON call', 'Like so: {"name":"bash","arguments":{"command":"ls"}}'],
    ['when a package file is fenced', '```json\n{"name":"left-pad","version":"1.3.0"}\n```'],
    ['when a fence holds a program', '```sh\nls -la\n```'],
    ['when a result is imitated before any call', '<tool_response>ok</tool_response> as they say'],
  ])('%s', (_name, text) => {
    expect(parse(text)).toEqual({ text, calls: [], end: 'stop' })
  })

  test.each([
    ['when code is followed by prose', 'bash(command="ls") lists files.'],
    ['when code has no names for its values', 'bash("ls")'],
    ['when the name is undeclared', 'zsh(command="ls")'],
    ['when it is a manual page', 'bash(1) is a shell'],
    ['when it only begins like a tool', 'bashful'],
  ])('%s, right after reasoning', (_name, text) => {
    expect(parse(text, [reasoning])).toEqual({ text, calls: [], end: 'stop' })
  })

  test('when no tool is declared', () => {
    const deltas = [text(bash), stop]
    expect(runTransform(toolCallParser([], { scanLimit: 100 }), deltas)).toEqual(deltas)
  })

  test('when it is reasoning', () => {
    const deltas: Delta[] = [{ type: 'reasoning', text: bash }, text('Nothing to run.'), stop]
    expect(runTransform(parser(), deltas)).toEqual(deltas)
  })
})

describe('text around calls', () => {
  test.each([
    ['before the first call is kept', `I will look.\n${bash}`, 'I will look.\n', [ls]],
    ['before it may hold a closed fence', `\`\`\`js\nlet a\n\`\`\`\n${bash}`, '```js\nlet a\n```\n', [ls]],
    ['before it may hold triple backticks inside a line', `\`\`\`a\`\`\` is code\n${bash}`, '```a``` is code\n', [ls]],
    [
      'that is an undeclared call before a declared one is kept',
      `<tool_call>{"name":"no"}</tool_call>\n${bash}`,
      '<tool_call>{"name":"no"}</tool_call>\n',
      [ls],
    ],
    ['after the last call is dropped', `${bash}\nNow I wait.`, '', [ls]],
    ['between calls is dropped', `${bash}\nAnd once more:\n${bash}`, '', [ls, ls]],
    ['that is a fenced call after a call is dropped', `${bash}\n\`\`\`\n${bash}\n\`\`\`\n`, '', [ls]],
    [
      'that invents a result is dropped with all that rests on it',
      `${bash}\n<tool_response>a.txt</tool_response>\n${bash}`,
      '',
      [ls],
    ],
  ])('%s', (_name, text, before, calls) => {
    expect(parse(text)).toEqual({ text: before, calls, end: 'stop' })
  })

  test('streams at once, except for what may still begin a call', () => {
    const machine = parser()
    const streamed = ['Look <b', 'old>: <tool', 'box> {"na', 'me"} and ``', '` too <tool_call>{"name"'].map((piece) => {
      const out: Delta[] = []
      machine.push(text(piece), out)
      return out.map((delta) => (delta.type === 'text' ? delta.text : delta))
    })
    expect(streamed).toEqual([['Look <b'], ['old>: '], ['<toolbox> {"na'], ['me"} and ``'], ['` too ']])
  })

  test.each([
    ['a key that no call begins with', '{"city'],
    ['a name that no tool has', '{"name":"left-pad"'],
    ['a fenced name that no tool has', '```json\n{"name":"left-pad"'],
  ])('that is JSON streams from %s', (_name, beginning) => {
    const out: Delta[] = []
    parser().push(text(beginning), out)
    expect(out).toEqual([text(beginning)])
  })
})

describe('an incomplete call is not made', () => {
  const cut = 'Running it.\n<tool_call>{"name":"bash","arguments":{"command":"rm -rf /tmp/bu'
  test.each([
    ['in the recommended form', cut],
    ['behind its tag', 'Running it.\n<tool_call>'],
    ['in the native template', '<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>rm'],
    ['behind a name that may be half of one', '<tool_call>bash'],
    ['in its closing tag and its arguments', '<tool_call>{"name":"bash","arguments":{"command":"ls"}</tool_'],
    ['of no tool', '<tool_call>unknown\n<arg_key>command</arg_key>\n<arg_value>rm</arg_value>'],
    ['in an element', '<function_calls><invoke name="bash"><parameter name="command">rm'],
    ['in a whole-message object', '{"tool_calls":[{"name":"bash","arguments":{"command":"rm"}'],
    ['in a fence', '```json\n{"name":"bash","arguments":{"command":"rm'],
  ])('%s, and is shown where the model ended its turn', (_name, written) => {
    expect(parse(written)).toEqual({ text: written, calls: [], end: 'length' })
    const shown = runTransform(parser(), [text(written), { type: 'finish', reason: 'length' }])
    const [before = ''] = written.split(/[<{`]/)
    expect(shown).toEqual([...(before === '' ? [] : [text(before)]), { type: 'finish', reason: 'length' }])
  })

  test('after a complete call, and stop becomes length', () => {
    expect(parse(`${bash}\n<tool_call>{"name":"bash"`)).toEqual({ text: '', calls: [ls], end: 'length' })
  })

  test('as code right after reasoning, and is shown where the model ended its turn', () => {
    const written = 'bash(command="rm -rf /'
    expect(parse(written, [reasoning])).toEqual({ text: written, calls: [], end: 'length' })
  })

  test('when the upstream gave another reason, which stays', () => {
    const out = runTransform(parser(), [text(cut), { type: 'finish', reason: 'content-filter' }])
    expect(out).toEqual([text('Running it.\n'), { type: 'finish', reason: 'content-filter' }])
  })

  test('when the stream is cut without an end', () => {
    expect(runTransform(parser(), [text(cut)])).toEqual([text('Running it.\n')])
    expect(runTransform(parser(), [text('Look: <tool')])).toEqual([text('Look: '), text('<tool')])
  })

  test.each([
    ['when a brace is missing', '<tool_call>{"name":"bash","arguments":{"command":"ls"}</tool_call>'],
    ['when an inner quote is odd', '<tool_call>{"name":"bash","arguments":{"command":"echo 5" wide"}}</tool_call>'],
    ['when its arguments are no object', '<tool_call>{"name":"bash","arguments":["ls"]}</tool_call>'],
    [
      'when its arguments are two objects',
      String.raw`<tool_call>{"name":"bash","arguments":"{\"a\":1}{\"b\":2}"}</tool_call>`,
    ],
    ['when a value has no end', '<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>rm </tool_call>'],
    ['when a pair is broken', '<tool_call>bash\n<arg_key>command</arg_key>\nls</tool_call>'],
    [
      'when an element is broken',
      '<function_calls><function_call><tool>bash</tool><oops></function_call></function_calls>',
    ],
    ['when a whole message is broken', '{"tool_calls":[{"name":"bash","arguments":{"command":ls}}]}'],
    ['when a fenced message is broken', '```json\n{"name":"bash","arguments":{"command":ls}}\n```'],
  ])('%s, and the stream ends in an error', (_name, written) => {
    expect(parse(`${written}`)).toEqual({ text: '', calls: [], end: 'upstream-malformed' })
  })

  test('and nothing follows the error', () => {
    const out = runTransform(parser(), [
      text('<tool_call>{"name":"bash","arguments":[7]}</tool_call>'),
      text('more'),
      stop,
    ])
    expect(out.map((delta) => delta.type)).toEqual(['error'])
  })
})

describe('other deltas', () => {
  test('pass at once while a call is held', () => {
    const usage: Delta = { type: 'usage', usage: { inputTokens: 1, outputTokens: 2 } }
    expect(runTransform(parser(), [text(bash.slice(0, 30)), usage, reasoning, text(bash.slice(30)), stop])).toEqual([
      usage,
      reasoning,
      { type: 'tool-call', key: 'text-0', name: 'bash', arguments: '{"command":"ls"}' },
      stop,
    ])
  })

  test('of reasoning come after the text before them', () => {
    expect(runTransform(parser(), [text('a <'), reasoning, text('b'), stop])).toEqual([
      text('a '),
      text('<'),
      reasoning,
      text('b'),
      stop,
    ])
  })

  test('of native calls come after the text that was before them and share no key with written ones', () => {
    const native: Delta = { type: 'tool-call', key: '0', id: 'a', name: 'bash', arguments: '{}' }
    const out = runTransform(parser(), [text(`Hm\n${bash}`), native, text('{'), stop])
    expect(out).toEqual([
      text('Hm\n'),
      { type: 'tool-call', key: 'text-0', name: 'bash', arguments: '{"command":"ls"}' },
      native,
      stop,
    ])
  })

  test('of errors end the stream', () => {
    const error = runTransform(parser(), [text('<tool_call>{"name":"bash","arguments":[7]}</tool_call>')])[0]
    if (!error) throw new Error('no delta')
    expect(runTransform(parser(), [text('so '), text('<tool'), error, stop])).toEqual([
      text('so '),
      text('<tool'),
      error,
    ])
  })
})

describe('the scan limit', () => {
  const small = () => toolCallParser(tools, { scanLimit: 40 })

  test.each([
    ['JSON', `{"type":"${'x'.repeat(60)}"}`],
    ['fenced JSON', `\`\`\`json\n{"type":"${'x'.repeat(60)}"}\n\`\`\``],
  ])('gives up on %s that may be data', (_name, data) => {
    expect(join(runTransform(small(), [text(data), stop]))).toEqual({ text: data, calls: [], end: 'stop' })
  })

  test('drops a call that does not end, with all its text', () => {
    const long = `a <tool_call>{"name":"bash","arguments":{"command":"${'x'.repeat(60)}"}}</tool_call> b`
    expect(join(runTransform(small(), [text(long), stop]))).toEqual({ text: 'a ', calls: [], end: 'length' })
  })

  test('does not depend on how the text is split', () => {
    const long = `{"id":"${'<tool_call>bash</tool_call>'.repeat(3)}"}`
    const whole = join(runTransform(small(), [text(long), stop]))
    for (let cut = 0; cut < long.length; cut++)
      expect(join(runTransform(small(), [text(long.slice(0, cut)), text(long.slice(cut)), stop]))).toEqual(whole)
  })
})

test('the output does not depend on how a text is split', () => {
  const samples = [
    bash,
    `Hm.\n${bash}\n<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>"é ✅"</arg_value>\n</tool_call> bye`,
    `\`\`\`json\n{"tool_calls":[{"name":"bash","arguments":"{\\"command\\":\\"ls\\"}"}]}\n\`\`\``,
    `Doc:\n\`\`\`xml\n${bash}\n\`\`\`\nthen\n${bash}`,
    '<function_calls><invoke name="bash"><parameter name="command">a < b</parameter></invoke></function_calls>',
    '<tool_call>{"name":"launch_rocket","arguments":{}}</tool_call> <tool_call>{json}',
    '{"name":"bash","arguments":{"command":"ls"}} or so',
    '```a```<tool_ca<tool_call>x<tool_call>bash</tool_call>',
    '<tool_call>{"name":"bash","arguments":{"command":"cut he',
    'bash(command="ls -la /tmp")',
    ...recorded.map(([, answer]) => answer),
  ]
  for (const sample of samples)
    for (const before of [[], [reasoning]]) {
      const whole = parse(sample, before)
      for (let cut = 1; cut < sample.length; cut++)
        expect(
          join(runTransform(parser(), [...before, text(sample.slice(0, cut)), text(sample.slice(cut)), stop])),
        ).toEqual(whole)
      expect(join(runTransform(parser(), [...before, ...Array.from(sample.split(''), text), stop]))).toEqual(whole)
    }
})

describe('recorded answers of the web backend', () => {
  test.each(recorded)('%s', (_name, answer, before, calls, end) => {
    expect(parse(answer, [reasoning])).toEqual({ text: before, calls, end })
  })
})

describe('for any input', () => {
  test('text without marks passes unchanged', () => {
    const plain = fc.string({ unit: 'binary' }).map((sample) => sample.replace(/[<`~{]/g, ''))
    fc.assert(
      fc.property(fc.array(plain), (pieces) => {
        expect(join(runTransform(parser(), [...pieces.map(text), stop]))).toEqual({
          text: pieces.join(''),
          calls: [],
          end: 'stop',
        })
      }),
    )
  })

  test('a rendered call parses back to its arguments, however it is split', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(
          fc.constantFrom('"', '\\', '\n', '</tool_call>', '<tool_call>', '{', '}', '`', '```\n', 'é', '😀', "'"),
          { maxLength: 8 },
        )
        .map((parts) => parts.join('')),
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        nasty,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(nasty, tie('any'), { maxKeys: 3 }),
      ),
    })).any
    const name = fc.stringMatching(/^[a-zA-Z_][\w-]{0,20}$/)
    fc.assert(
      fc.property(
        name,
        fc.dictionary(nasty, value, { maxKeys: 4 }),
        fc.boolean(),
        fc.nat(),
        fc.nat(),
        (name, args, guarded, a, b) => {
          const json = JSON.stringify(args)
          const written = guarded
            ? renderCall(name, json)
            : `<tool_call>{"name":"${name}","arguments":${json}}</tool_call>`
          const [first = 0, second = 0] = [a % (written.length + 1), b % (written.length + 1)].sort((x, y) => x - y)
          const pieces = [written.slice(0, first), written.slice(first, second), written.slice(second)]
          const machine = toolCallParser([{ name, description: '', parameters: {} }], { scanLimit: 100_000 })
          expect(join(runTransform(machine, [...pieces.map(text), stop]))).toEqual({
            text: '',
            calls: [{ name, arguments: JSON.parse(json) }],
            end: 'stop',
          })
        },
      ),
      { numRuns: runs(500) },
    )
  })

  test('fragments of marks never throw and do not depend on the split', () => {
    const fragment = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '<tool_calls>',
      '</tool_calls>',
      '<function_calls>',
      '</function_calls>',
      '<function_call>',
      '</function_call>',
      '<tool>',
      '</tool>',
      '<args_json>',
      '<![CDATA[',
      ']]>',
      '</args_json>',
      '<invoke name="bash">',
      '</invoke>',
      '<parameter name="command">',
      '</parameter>',
      '<arg_key>',
      '</arg_key>',
      '<arg_value>',
      '</arg_value>',
      '<tool_response>',
      'bash',
      'zsh',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '“',
      '”',
      ':',
      ',',
      '"name":"bash"',
      '"arguments":',
      '{"tool_calls":[',
      '\\',
      '\n',
      ' ',
      '```',
      '~~~',
      '```json\n',
      '\n```\n',
      '(',
      ')',
      'command=',
      'é',
      '1',
      'null',
    )
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 30 }), fc.boolean(), (pieces, reasons) => {
        const before = reasons ? [reasoning] : []
        const whole = join(runTransform(parser(), [...before, text(pieces.join('')), stop]))
        expect(join(runTransform(parser(), [...before, ...pieces.map(text), stop]))).toEqual(whole)
      }),
      { numRuns: runs(3000) },
    )
  })
})

function tool(name: string, properties: Record<string, unknown>): Tool {
  return { name, description: '', parameters: { type: 'object', properties } }
}

function text(text: string): Delta {
  return { type: 'text', text }
}

function call(name: string, args: unknown) {
  return { name, arguments: args }
}

function parser() {
  return toolCallParser(tools, { scanLimit: 10_000 })
}

function parse(answer: string, before: Delta[] = []) {
  return join(runTransform(parser(), [...before, text(answer), stop]))
}

/** The deltas as a client would combine them. */
function join(deltas: Delta[]) {
  const joined = { text: '', calls: [] as unknown[], end: 'none' as string }
  for (const delta of deltas) {
    if (delta.type === 'text') joined.text += delta.text
    if (delta.type === 'tool-call')
      joined.calls.push({ name: delta.name, arguments: JSON.parse(delta.arguments ?? '') })
    if (delta.type === 'finish') joined.end = delta.reason
    if (delta.type === 'error') joined.end = delta.error.kind
  }
  return joined
}
