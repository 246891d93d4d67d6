import { describe, expect, test } from 'bun:test'
import type { Delta, FinishReason } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { type ToolRules, toolRules } from '../../src/gateway/tool-rules.ts'

const say = (text: string): Delta => ({ type: 'text', text })
const think: Delta = { type: 'reasoning', text: 'Hm.' }
const finish = (reason: FinishReason): Delta => ({ type: 'finish', reason })
const call = (key: string, name: string): Delta[] => [
  { type: 'tool-call', key, name },
  { type: 'tool-call', key, arguments: '{}' },
]

function received(rules: Partial<ToolRules>, deltas: Delta[]) {
  const notes: string[] = []
  const annotate = (text: string) => void notes.push(text)
  const out = runTransform(toolRules({ choice: 'auto', parallel: true, mustCall: false, annotate, ...rules }), deltas)
  return { out, notes }
}

describe('calls', () => {
  test.each<[string, Partial<ToolRules>, Delta[], Delta[], string[]]>([
    [
      'after the first are dropped without parallel calls',
      { parallel: false },
      [say('So.'), ...call('a', 'f'), ...call('b', 'g'), ...call('c', 'f'), finish('tool-calls')],
      [say('So.'), ...call('a', 'f'), finish('tool-calls')],
      ['2 tool call(s) dropped: parallel_tool_calls is false'],
    ],
    [
      'do not come through with none',
      { choice: 'none' },
      [say('So.'), ...call('a', 'f'), finish('tool-calls')],
      [say('So.'), finish('stop')],
      ['1 tool call(s) dropped: tool_choice is none'],
    ],
    [
      'without a name are none where none may come',
      { choice: 'none' },
      [{ type: 'tool-call', key: 'a', arguments: '{}' }, finish('stop')],
      [finish('stop')],
      [],
    ],
    [
      'of other tools are dropped where one is named',
      { choice: { name: 'g' }, mustCall: true },
      [...call('a', 'f'), ...call('b', 'g'), finish('tool-calls')],
      [...call('b', 'g'), finish('tool-calls')],
      ['1 tool call(s) dropped: tool_choice names another tool'],
    ],
    [
      'may get their name late',
      { parallel: false },
      [{ type: 'tool-call', key: 'a', arguments: '{"x"' }, ...call('a', 'f'), finish('stop')],
      [{ type: 'tool-call', key: 'a', arguments: '{"x"' }, ...call('a', 'f'), finish('stop')],
      [],
    ],
    [
      'are let be otherwise',
      { choice: 'required', mustCall: true },
      [...call('a', 'f'), say('and'), ...call('b', 'g'), finish('tool-calls')],
      [...call('a', 'f'), say('and'), ...call('b', 'g'), finish('tool-calls')],
      [],
    ],
  ])('%s', (_name, rules, deltas, expected, notes) => {
    expect(received(rules, deltas)).toEqual({ out: expected, notes })
  })
})

describe('if a call is required', () => {
  const required: Partial<ToolRules> = { choice: 'required', mustCall: true }

  test('text waits for it, reasoning does not', () => {
    const deltas = [say('Let me '), think, say('look.'), ...call('a', 'f'), finish('tool-calls')]
    expect(received(required, deltas).out).toEqual([
      think,
      say('Let me look.'),
      ...call('a', 'f'),
      finish('tool-calls'),
    ])
  })

  test.each<[string, ToolRules['choice'], string]>([
    ['any tool', 'required', 'call a tool'],
    ['a named one', { name: 'g' }, 'call the tool g'],
  ])('a reply without it is an error: %s', (_name, choice, message) => {
    const { out } = received({ choice, mustCall: true }, [
      think,
      say('No.'),
      ...(choice === 'required' ? [] : call('a', 'f')),
      finish('stop'),
    ])
    expect(out).toEqual([
      think,
      {
        type: 'error',
        error: expect.objectContaining({ kind: 'upstream-malformed', code: 'tool_choice_not_honoured' }),
      },
    ])
    const last = out.at(-1)
    expect(last?.type === 'error' && last.error.message).toContain(message)
  })

  test.each(['length', 'content-filter', 'stop-sequence'] as const)('a reply cut for %s passes unchanged', (reason) => {
    expect(received(required, [say('I wo'), finish(reason)]).out).toEqual([say('I wo'), finish(reason)])
  })
})
