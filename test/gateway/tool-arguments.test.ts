import { describe, expect, test } from 'bun:test'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import type { Tool } from '../../src/core/request.ts'
import { streamNormaliser } from '../../src/core/stream-normaliser.ts'
import { chain, type Transform } from '../../src/core/transform.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { toolArguments } from '../../src/gateway/tool-arguments.ts'
import { call, finish, say } from '../dialects/stream.ts'
import { eventsIn, replyOf } from '../support/replies.ts'
import { requestContext } from '../support/request-context.ts'
import { validateHere } from '../support/schema.ts'

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
  additionalProperties: false,
}
const tool = (name: string, more: Partial<Tool> = {}): Tool => ({ name, description: '', parameters, ...more })
const declared = [tool('loose'), tool('strict', { strict: true })]
/** Tools of the Responses API, as its dialect decodes them. */
const { tools: lowered } = openaiResponses.decode(
  {
    model: 'glm-5',
    input: 'Hi',
    tools: [
      { type: 'custom', name: 'patch' },
      { type: 'local_shell' },
      { type: 'shell' },
      { type: 'apply_patch' },
      { type: 'tool_search', execution: 'client' },
    ],
  },
  requestContext(),
).request

async function kept(deltas: Delta[], tools: readonly Tool[] = [...declared, ...lowered], notes: string[] = []) {
  const { signal } = new AbortController()
  const checked = toolArguments({ tools, validate: validateHere, signal, annotate: (note) => notes.push(note) })
  const transform = checked ? chain(grammarOfTest(), checked) : grammarOfTest()
  return eventsIn({ ...replyOf(deltas.map((delta) => [delta])), transform })
}

function grammarOfTest(): Transform<Delta, StreamEvent> {
  let id = 0
  return streamNormaliser({ newToolCallId: () => `new_${++id}`, inputTokens: 25, countTokens: (text) => text.length })
}

/** `text-start`, `tool-call-delta {"a":1}`, `error …` */
const brief = (said: StreamEvent[]) =>
  said.map((event) => {
    if (event.type === 'tool-call-delta') return `${event.type} ${event.text}`
    if (event.type === 'tool-call-end') return `${event.type} ${event.arguments}`
    if (event.type === 'error') return `${event.type} ${event.error.message}`
    return event.type === 'message-end' ? `${event.type} ${event.reason}` : event.type
  })

const invalidArguments = (name: string, violation: string) =>
  `error The model called the tool ${name} with arguments that do not fit: ${violation}. Try again.`

test('without a tool to check there is no transform', () => {
  const { signal } = new AbortController()
  expect(toolArguments({ tools: [tool('loose')], validate: validateHere, signal, annotate() {} })).toBeUndefined()
})

test('a call of any other tool passes unchanged in its deltas', async () => {
  expect(brief(await kept([...call('a', 'loose', '{"town":', '5}'), finish()]))).toEqual([
    'message-start',
    'tool-call-start',
    'tool-call-delta {"town":',
    'tool-call-delta 5}',
    'tool-call-end {"town":5}',
    'message-end tool-calls',
  ])
})

describe('a call of a strict tool', () => {
  test.each([
    ['that fits comes in the spelling of the model', ['{"city" : "A", ', '"days":2}'], '{"city" : "A", "days":2}'],
    ['with a number in quotes is converted', ['{"city":"A","days":"2"}'], '{"city":"A","days":2}'],
  ])('%s, whole', async (_name, pieces, args) => {
    expect(brief(await kept([say('Hm.'), ...call('a', 'strict', ...pieces), finish()]))).toEqual([
      'message-start',
      'text-start',
      'text-delta',
      'text-end',
      'tool-call-start',
      `tool-call-delta ${args}`,
      `tool-call-end ${args}`,
      'message-end tool-calls',
    ])
  })

  test.each([
    ['nothing', '{}', "the value must have required property 'city'"],
    ['no arguments at all', '', "the value must have required property 'city'"],
    ['a value of another type', '{"city":"A","days":"two"}', 'days must be integer'],
    ['a key nobody declared', '{"city":"A","unit":"C"}', 'the value must NOT have additional properties: unit'],
    [
      'arguments nested deeper than anybody means',
      `{"city":"Oslo","days":"1","more":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      'they are nested deeper than 200 levels',
    ],
  ])('with %s is not sent, and the reply fails', async (_name, args, violation) => {
    expect(brief(await kept([...call('a', 'strict', args), finish()]))).toEqual([
      'message-start',
      invalidArguments('strict', violation),
    ])
  })

  test('that does not fit ends the reply, whatever follows', async () => {
    const deltas = [...call('a', 'strict', '{}'), ...call('b', 'loose', '{}'), say('Done.'), finish()]
    expect(brief(await kept(deltas)).slice(1)).toEqual([
      invalidArguments('strict', "the value must have required property 'city'"),
    ])
  })

  test.each([
    ['inside it', '{"ci'],
    ['before it said anything', ''],
  ])('that was cut %s passes with that reason', async (_name, args) => {
    const said = brief(await kept([...call('a', 'strict', args), finish('length')]))
    expect(said.at(-1)).toBe('message-end length')
    expect(said).toContain(`tool-call-end ${args || '{}'}`)
  })

  test('is not checked against a schema that no validator accepts, and the log says so', async () => {
    const notes: string[] = []
    const odd = tool('odd', { strict: true, parameters: { $ref: '#/$defs/nowhere' } })
    expect(brief(await kept([...call('a', 'odd', '{"x":1}'), finish()], [odd], notes))).toContain(
      'tool-call-end {"x":1}',
    )
    expect(notes).toEqual([expect.stringMatching(/^schema of a tool not checked: /)])
  })
})

describe('arguments that the Responses dialect reads', () => {
  test.each([
    ['a freeform text', 'patch', '{"input":"x"}'],
    ['a freeform text under another name', 'patch', '{"patch":"x"}'],
    ['a freeform text beside something else', 'patch', '{"input":"x","why":1}'],
    ['a command in words', 'local_shell', '{"command":["ls","-l"],"timeout_ms":5}'],
    ['a command in a line', 'local_shell', '{"command":"ls | wc"}'],
    ['a command with nulls', 'local_shell', '{"command":["ls"],"workdir":null,"env":null}'],
    ['one shell command', 'shell', '{"commands":"ls"}'],
    ['a new file', 'apply_patch', '{"type":"create_file","path":"a","diff":"+a"}'],
    ['a file that goes', 'apply_patch', '{"type":"delete_file","path":"a"}'],
    ['a search', 'tool_search', '{"query":"mail"}'],
  ])('%s passes', async (_name, name, args) => {
    expect(brief(await kept([...call('a', name, args), finish()]))).toContain(`tool-call-end ${args}`)
  })

  test('a text in quotation marks stays a text', async () => {
    expect(brief(await kept([...call('a', 'local_shell', '{"command":"[\\"ls\\"]"}'), finish()]))).toContain(
      'tool-call-end {"command":["ls"]}',
    )
  })

  test.each([
    ['patch', '{}', "the value must have required property 'input'"],
    ['patch', '{"input":5}', 'input must be string'],
    ['patch', '{"a":"x","b":"y"}', "the value must have required property 'input'"],
    ['local_shell', '{"workdir":"/a"}', "the value must have required property 'command'"],
    ['local_shell', '{"command":{"run":"ls"}}', 'command must be array'],
    ['local_shell', '{"command":[]}', 'command must NOT have fewer than 1 items'],
    ['local_shell', '{"command":["sleep",null]}', 'command.1 must be string'],
    ['shell', '{"command":"ls"}', "the value must have required property 'commands'"],
    ['apply_patch', '{"type":"update_file","path":"a"}', "the value must have required property 'diff'"],
    ['apply_patch', '{"type":"move_file","path":"a","diff":""}', expect.stringContaining('type must be equal')],
    ['tool_search', '{"words":"mail"}', "the value must have required property 'query'"],
  ])('%s with %s fails', async (name, args, violation) => {
    const said = brief(await kept([...call('a', name, args), finish()]))
    expect(said.some((event) => event.startsWith('tool-call-end'))).toBe(false)
    expect(said.at(-1)).toEqual(typeof violation === 'string' ? invalidArguments(name, violation) : violation)
  })

  test('a freeform text is streamed', async () => {
    expect(brief(await kept([...call('a', 'patch', '{"input":', '"x"}'), finish()]))).toContain('tool-call-delta "x"}')
  })
})
