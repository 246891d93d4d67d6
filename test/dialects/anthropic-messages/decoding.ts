import { expect } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { AssistantPart, Message, UserPart } from '../../../src/core/request.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { requestContext } from '../../support/request-context.ts'

const door = TypeCompiler.Compile(anthropicMessages.body)

export function decode(...messages: object[]) {
  return decodeBody({ messages })
}

export function decodeBody(fields: object) {
  const body = { model: 'glm-5', max_tokens: 10, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  expect([...door.Errors(body)]).toEqual([])
  return anthropicMessages.decode(body, requestContext()).request
}

export const words = (text: string) => ({ type: 'text' as const, text })
export const user = (...parts: UserPart[]): Message => ({ role: 'user', parts })
export const assistant = (...parts: AssistantPart[]): Message => ({ role: 'assistant', parts })
export const result = (callId: string, ...parts: UserPart[]): Message => ({
  role: 'tool',
  callId,
  parts,
  isError: false,
})
export const call = (id: string, name: string, args: string): AssistantPart => ({
  type: 'tool-call',
  id,
  name,
  arguments: args,
})

export const seen: UserPart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AA' } }
export const read: UserPart = {
  type: 'document',
  title: undefined,
  source: { type: 'url', url: 'https://example.org/a.pdf' },
}
