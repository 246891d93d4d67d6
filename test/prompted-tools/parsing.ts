import type { Delta } from '../../src/core/events.ts'
import type { Tool } from '../../src/core/request.ts'
import { runTransform } from '../../src/core/transform.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'

export const tools: Tool[] = [
  tool('get_weather', { city: { type: 'string' }, unit: { type: 'string' } }),
  tool('bash', { command: { type: 'string' }, timeout: { type: 'integer' } }),
  tool('search_docs', { query: { type: 'string' }, limit: { type: 'integer' }, filters: { type: 'object' } }),
]

export const bash = '<tool_call>{"name":"bash","arguments":{"command":"ls"}}</tool_call>'

export const ls = call('bash', { command: 'ls' })

export const stop: Delta = { type: 'finish', reason: 'stop' }

export const reasoning: Delta = { type: 'reasoning', text: 'A listing will do.' }

type Recorded = [name: string, answer: string, text: string, calls: unknown[], end: string]

const doc =
  'To call a tool you would write:\n```xml\n<tool_call>{"name":"bash","arguments":{"command":"rm -rf build"}}</tool_call>\n```\nDo not run this.'

const rocket = '<tool_call>{"name":"launch_rocket","arguments":{}}</tool_call>'

export const recorded: Recorded[] = [
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

function tool(name: string, properties: Record<string, unknown>): Tool {
  return { name, description: '', parameters: { type: 'object', properties } }
}

export function text(text: string): Delta {
  return { type: 'text', text }
}

export function call(name: string, args: unknown) {
  return { name, arguments: args }
}

export function parser() {
  return toolCallParser(tools, { scanLimit: 10_000 })
}

export function parse(answer: string, before: Delta[] = []) {
  return join(runTransform(parser(), [...before, text(answer), stop]))
}

/** The deltas as a client would combine them. */
export function join(deltas: Delta[]) {
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
