import { expect, test } from 'bun:test'
import type { Message } from '../../../src/core/request.ts'
import { normaliseConversation } from '../../../src/upstreams/chat-completions/conversation.ts'
import { cpuTimeMs } from '../../support/cpu-time.ts'

const audience = { id: 'glm-5', model: 'glm-5', vision: false, imagesInToolResults: false }
const call = (id: string) => ({ type: 'tool-call' as const, id, name: 'f', arguments: '{}' })
const turn = (...ids: string[]): Message => ({ role: 'assistant', parts: ids.map(call) })
const result = (callId: string, text = `result of ${callId}`): Message => ({
  role: 'tool',
  callId,
  parts: [{ type: 'text', text }],
  isError: false,
})
const user: Message = { role: 'user', parts: [{ type: 'text', text: 'Go.' }] }
const lacking = (id: string) => result(id, '[No result was given for this call.]')

test.each<[string, Message[], Message[]]>([
  [
    'move behind their calls, in the order of the calls',
    [user, turn('a', 'b'), result('b'), result('a')],
    [user, turn('a', 'b'), result('a'), result('b')],
  ],
  [
    'stand behind all of a row of answers',
    [user, turn('a'), turn('b'), result('b'), user, result('a'), turn('c'), result('c')],
    [user, turn('a'), result('a'), turn('b'), result('b'), user, turn('c'), result('c')],
  ],
  [
    'are not looked for behind the next answer',
    [user, turn('a'), user, turn('b'), result('b')],
    [user, turn('a'), lacking('a'), user, turn('b'), result('b')],
  ],
  [
    'of one id twice answer in their order',
    [user, turn('a', 'a'), result('a', 'first'), result('a', 'second')],
    [user, turn('a', 'a'), result('a', 'first'), result('a', 'second')],
  ],
])('results %s', (_name, messages, expected) => {
  expect(normaliseConversation(messages, audience)).toEqual(expected)
})

test.each([
  ['one turn', (ids: string[]) => [turn(...ids)]],
  ['turns in a row', (ids: string[]) => ids.map((id) => turn(id))],
])(
  'the results of 40,000 calls in %s are put in order without looking at each for each',
  (_name, turns) => {
    const ids = Array.from({ length: 40_000 }, (_, index) => `call_${index}`)
    const startedAt = cpuTimeMs()
    const told = normaliseConversation([user, ...turns(ids), ...ids.toReversed().map((id) => result(id))], audience)
    expect(cpuTimeMs() - startedAt).toBeLessThan(6_000)
    expect(told.flatMap((message) => (message.role === 'tool' ? [message.callId] : []))).toEqual(ids)
  },
  60_000,
)
