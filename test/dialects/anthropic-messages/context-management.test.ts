import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { AppliedEdit } from '../../../src/dialects/anthropic-messages/context-management.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { call, finish, head, reply, say, usage } from '../stream.ts'

const door = TypeCompiler.Compile(anthropicMessages.body)
const signature = btoa('zai2api/1') + btoa('msg_0')

/** What is left of each turn: `?` for the user's, `f!` and `g!` for calls, `~` for thinking, `=f` and `=-` for results. */
function left(messages: object[], edits: object[], tools: object[] = []) {
  const body = { model: 'glm-5', max_tokens: 10, messages, tools, context_management: { edits } }
  expect([...door.Errors(body)]).toEqual([])
  const { request, options } = anthropicMessages.decode(body, requestContext())
  const turns = request.messages.map((message) => {
    if (message.role === 'system') return 'system'
    const parts = message.parts.map((part) => {
      switch (part.type) {
        case 'reasoning':
          return '~'
        case 'tool-call':
          return part.arguments === '{}' ? `${part.name}-!` : `${part.name}!`
        case 'text':
          return message.role === 'tool' ? (part.text.startsWith('[This result') ? '=-' : `=${part.text[0]}`) : '?'
        default:
          return part.type
      }
    })
    return parts.join('')
  })
  return { turns: turns.join(' '), applied: options.appliedEdits, ignored: request.ignored }
}

const ask = { role: 'user', content: 'a' }
const act = (id: string, name: string) => [
  {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: 'Hm, hm.', signature },
      { type: 'tool_use', id, name, input: { path: 'x'.repeat(40) } },
    ],
  },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: name.repeat(400) }] },
]
const long = [ask, ...act('1', 'f'), ...act('2', 'g'), ask, ...act('3', 'f'), ...act('4', 'f'), ...act('5', 'f')]
const whole = '? ~f! =f ~g! =g ? ~f! =f ~f! =f ~f! =f'

describe('clear_tool_uses', () => {
  const edit = { type: 'clear_tool_uses_20250919', trigger: { type: 'tool_uses', value: 4 } }

  test.each<[string, object, string, AppliedEdit[]]>([
    [
      'keeps the three newest, and the calls',
      edit,
      '? ~f! =- ~g! =- ? ~f! =f ~f! =f ~f! =f',
      [{ type: edit.type, cleared_input_tokens: 179, cleared_tool_uses: 2 }],
    ],
    [
      'keeps as many as it is told',
      { ...edit, keep: { type: 'tool_uses', value: 1 } },
      '? ~f! =- ~g! =- ? ~f! =- ~f! =- ~f! =f',
      [{ type: edit.type, cleared_input_tokens: 358, cleared_tool_uses: 4 }],
    ],
    [
      'leaves some tools alone',
      { ...edit, exclude_tools: ['f'] },
      '? ~f! =f ~g! =- ? ~f! =f ~f! =f ~f! =f',
      [{ type: edit.type, cleared_input_tokens: 90, cleared_tool_uses: 1 }],
    ],
    [
      'clears what the tools were called with',
      { ...edit, clear_tool_inputs: ['g'] },
      '? ~f! =- ~g-! =- ? ~f! =f ~f! =f ~f! =f',
      [{ type: edit.type, cleared_input_tokens: 192, cleared_tool_uses: 2 }],
    ],
    ['does nothing below its trigger', { ...edit, trigger: { type: 'tool_uses', value: 5 } }, whole, []],
    [
      'counts tokens',
      { ...edit, trigger: { type: 'input_tokens', value: 500 } },
      '? ~f! =- ~g! =- ? ~f! =f ~f! =f ~f! =f',
      [{ type: edit.type, cleared_input_tokens: 179, cleared_tool_uses: 2 }],
    ],
    ['is not for short conversations', { type: edit.type }, whole, []],
    ['clears enough or nothing', { ...edit, clear_at_least: { type: 'input_tokens', value: 180 } }, whole, []],
  ])('%s', (_name, asked, turns, applied) => {
    expect(left(long, [asked])).toEqual({ turns, applied, ignored: [] })
  })

  test('tools count, too', () => {
    const tools = [{ name: 'f', description: 'x'.repeat(8_000), input_schema: { type: 'object' } }]
    const asked = { ...edit, trigger: { type: 'input_tokens', value: 2_000 } }
    expect(left(long, [asked]).turns).toBe(whole)
    expect(left(long, [asked], tools).turns).not.toBe(whole)
  })
})

describe('clear_thinking', () => {
  const edit = { type: 'clear_thinking_20251015' }
  const last = '? f! =f g! =g ? ~f! =f ~f! =f ~f! =f'
  const told = [{ type: edit.type, cleared_input_tokens: 4, cleared_thinking_turns: 1 }]

  test.each<[string, object, string, AppliedEdit[]]>([
    ['keeps that of the last turn, with all its calls', edit, last, told],
    ['keeps that of as many turns as it is told', { ...edit, keep: { type: 'thinking_turns', value: 2 } }, whole, []],
    ['keeps all where it is told so', { ...edit, keep: 'all' }, whole, []],
    ['keeps all in other words', { ...edit, keep: { type: 'all' } }, whole, []],
  ])('%s', (_name, asked, turns, applied) => {
    expect(left(long, [asked])).toEqual({ turns, applied, ignored: [] })
  })
})

test('edits go one after the other, and others are named', () => {
  const edits = [
    { type: 'compact_20260112' },
    { type: 'clear_thinking_20251015' },
    { type: 'clear_tool_uses_20250919', trigger: { type: 'tool_uses', value: 4 } },
  ]
  expect(left(long, edits)).toEqual({
    turns: '? f! =- g! =- ? ~f! =f ~f! =f ~f! =f',
    applied: [
      { type: 'clear_thinking_20251015', cleared_input_tokens: 4, cleared_thinking_turns: 1 },
      { type: 'clear_tool_uses_20250919', cleared_input_tokens: 179, cleared_tool_uses: 2 },
    ],
    ignored: ['context_management.edits.0 (compact_20260112)'],
  })
})

test('the reply tells what was taken out', () => {
  const edit = { type: 'clear_thinking_20251015', cleared_input_tokens: 4, cleared_thinking_turns: 1 }
  const whole = (appliedEdits?: (typeof edit)[]) =>
    anthropicMessages.encodeReply(head, reply(say('a'), ...call('x', 'f'), usage, finish()), {
      thinking: 'shown',
      ...(appliedEdits ? { appliedEdits } : {}),
    })
  expect(whole([edit])).toMatchObject({ context_management: { applied_edits: [edit] } })
  expect(whole([])).toMatchObject({ context_management: { applied_edits: [] } })
  expect(whole()).toMatchObject({ context_management: null })
})

test('a count tells what it would have been', () => {
  const { count } = anthropicMessages
  const edit = { type: 'clear_thinking_20251015', cleared_input_tokens: 4, cleared_thinking_turns: 1 }
  const counted = (appliedEdits?: (typeof edit)[]) =>
    count?.encode(10, { thinking: 'hidden', ...(appliedEdits ? { appliedEdits } : {}) })
  expect(counted([edit, edit])).toEqual({ input_tokens: 10, context_management: { original_input_tokens: 18 } })
  expect(counted([])).toEqual({ input_tokens: 10, context_management: { original_input_tokens: 10 } })
  expect(counted()).toEqual({ input_tokens: 10, context_management: null })
})
