import { expect, test } from 'bun:test'
import { demandsCall, type Message, type Tool } from '../../src/core/request.ts'
import { plainRequest } from '../support/request.ts'

const tools: Tool[] = [{ name: 'patch', description: '', parameters: {} }]
const user = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }] })
const result: Message = { role: 'tool', callId: 'a', parts: [{ type: 'text', text: 'Done.' }], isError: false }
const asked = user('Fix it')

test.each<[string, boolean, Message[]]>([
  ['a question', true, [asked]],
  ['an empty question', true, [user('')]],
  ['a result', false, [asked, result]],
  ['a result and a system prompt', false, [asked, result, { role: 'system', text: 'Be short.' }]],
  ['a result and an empty message', false, [asked, result, user(' \n')]],
  ['a result and a question', true, [asked, result, user('And now?')]],
  ['a result and a picture', true, [asked, result, { role: 'user', parts: [picture()] }]],
])('after %s a required call is demanded: %p', (_name, isDemanded, messages) => {
  expect(demandsCall(plainRequest({ messages, tools, toolChoice: 'required' }))).toBe(isDemanded)
  expect(demandsCall(plainRequest({ messages, tools, toolChoice: { name: 'patch' } }))).toBe(isDemanded)
  expect(demandsCall(plainRequest({ messages, tools, toolChoice: 'auto' }))).toBe(false)
})

function picture() {
  return { type: 'image' as const, source: { type: 'url' as const, url: 'https://example.com/a.png' } }
}
