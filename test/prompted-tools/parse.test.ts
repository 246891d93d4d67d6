import { describe, expect, test } from 'bun:test'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { bash, join, ls, parse, parser, reasoning, recorded, stop, text, tools } from './parsing.ts'

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

describe('recorded answers of the web backend', () => {
  test.each(recorded)('%s', (_name, answer, before, calls, end) => {
    expect(parse(answer, [reasoning])).toEqual({ text: before, calls, end })
  })
})
