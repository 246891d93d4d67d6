import { expect, test } from 'bun:test'
import { withCallIds } from '../../src/core/call-ids.ts'
import type { Message } from '../../src/core/request.ts'

/** `a!f` calls `f` as `a`; `a=` is the result of `a`; anything else is the user. */
function conversation(...turns: string[]): Message[] {
  return turns.map((turn): Message => {
    if (turn.endsWith('=')) return { role: 'tool', callId: turn.slice(0, -1), parts: [], isError: false }
    if (!turn.includes('!')) return { role: 'user', parts: [{ type: 'text', text: turn }] }
    const calls = turn.split(' ').map((call) => call.split('!'))
    const parts = calls.map(([id = '', name = '']) => ({ type: 'tool-call' as const, id, name, arguments: '{}' }))
    return { role: 'assistant', parts }
  })
}

test.each<[string, string[], string[]]>([
  ['unique ids stay', ['a!f b!g', 'a=', 'b=', 'so?'], ['a!f b!g', 'a=', 'b=', 'so?']],
  ['an empty id gets one, and so does its result', ['!f', '='], ['call_1!f', 'call_1=']],
  ['empty ids pair by order', ['!f !g', '=', '='], ['call_1!f call_2!g', 'call_1=', 'call_2=']],
  ['a result without an id belongs to the call that waits', ['a!f b!g', '=', 'a='], ['a!f b!g', 'b=', 'a=']],
  ['an id used twice in one turn', ['a!f a!g', 'a=', 'a='], ['a!f call_1!g', 'a=', 'call_1=']],
  ['an id used in two turns', ['a!f', 'a=', 'a!g', 'a='], ['a!f', 'a=', 'call_1!g', 'call_1=']],
  [
    'a doubled id whose first call went unanswered',
    ['a!f', 'never mind', 'a!g', 'a='],
    ['a!f', 'never mind', 'call_1!g', 'call_1='],
  ],
  ['new ids are not in use elsewhere', ['call_1!f !g', 'call_1=', '='], ['call_1!f call_2!g', 'call_1=', 'call_2=']],
  ['a result that answers no call keeps its id', ['!f', 'z=', '='], ['call_1!f', 'z=', 'call_1=']],
  ['a result without an id that answers no call gets one', ['hi', '='], ['hi', 'call_1=']],
  ['a second result for the same call gets an id of its own', ['!f', '=', '='], ['call_1!f', 'call_1=', 'call_2=']],
  ['a call without a name gets one', ['a!', 'a='], ['a!unnamed', 'a=']],
])('%s', (_name, turns, expected) => {
  expect(withCallIds(conversation(...turns))).toEqual(conversation(...expected))
})

test('a long conversation of empty ids is read once', () => {
  const long = conversation(...Array.from({ length: 40_000 }, (_, turn) => (turn % 2 === 0 ? '!f' : '=')))
  const ids = withCallIds(long).flatMap((message) => (message.role === 'tool' ? [message.callId] : []))
  expect(ids).toEqual(Array.from({ length: 20_000 }, (_, index) => `call_${index + 1}`))
})
