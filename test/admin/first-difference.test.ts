import { describe, expect, test } from 'bun:test'
import { firstDifference } from '../../src/admin/first-difference.ts'

const user = (content: unknown) => ({ role: 'user', content })
const assistant = (content: unknown) => ({ role: 'assistant', content })
const marked = (text: string) => [{ type: 'text', text, cache_control: { type: 'ephemeral' } }]
const plain = (text: string) => [{ type: 'text', text }]

describe('the first message that differs', () => {
  test.each<[string, object, object, object | undefined]>([
    [
      'is the first new one where nothing else changed',
      { messages: [user('a')] },
      { messages: [user('a'), assistant('b'), user('c')] },
      { index: 1, of: 3, role: 'assistant' },
    ],
    [
      'is one in the middle that a client has rewritten',
      { messages: [user('a'), assistant('b'), user('c')] },
      { messages: [user('a'), assistant('B'), user('c'), assistant('d')] },
      { index: 1, of: 4, role: 'assistant' },
    ],
    [
      'is none where a client asks the same again',
      { messages: [user('a')] },
      { messages: [user('a')] },
      { index: 1, of: 1 },
    ],
    [
      'is not one whose mark for the cache has moved on',
      { system: marked('You are.'), messages: [user(marked('a'))] },
      { system: plain('You are.'), messages: [user(plain('a')), assistant('b'), user(marked('c'))] },
      { index: 1, of: 3, role: 'assistant' },
    ],
    [
      'is not the line of Claude Code that differs in every request',
      { system: [...plain('x-anthropic-billing-header: cc=1'), ...plain('You are.')], messages: [user('a')] },
      {
        system: [...plain('x-anthropic-billing-header: cc=2'), ...plain('You are.')],
        messages: [user('a'), user('b')],
      },
      { index: 1, of: 2, role: 'user' },
    ],
    [
      'is the system prompt, before all messages',
      { system: 'Today is Monday.', messages: [user('a')] },
      { system: 'Today is Tuesday.', messages: [user('a'), user('b')] },
      { index: 0, of: 2, role: 'system' },
    ],
    [
      'is a tool, before that',
      { tools: [{ name: 'Read' }], system: 'one', messages: [user('a')] },
      { tools: [{ name: 'Read' }, { name: 'Edit' }], system: 'two', messages: [user('a')] },
      { index: 0, of: 1, role: 'tools' },
    ],
    [
      'is an item of a response',
      { instructions: 'Be.', input: [{ role: 'developer', content: 'x' }, user('a')] },
      {
        instructions: 'Be.',
        input: [{ role: 'developer', content: 'x' }, user('a'), { type: 'function_call', name: 'exec' }],
      },
      { index: 2, of: 3, role: 'function_call' },
    ],
    ['is unknown where there is no list', { input: 'Hello' }, { input: 'Hello again' }, undefined],
  ])('%s', (_name, previous, current, expected) => {
    expect(firstDifference(JSON.stringify(previous), JSON.stringify(current))).toEqual(expected as never)
  })

  test('is unknown where a body is no JSON', () => {
    expect(firstDifference('{"messages": [', '{"messages":[]}')).toBeUndefined()
    expect(firstDifference('null', 'null')).toBeUndefined()
  })
})
