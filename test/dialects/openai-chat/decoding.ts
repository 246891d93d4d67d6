import { expect } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Message } from '../../../src/core/request.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { requestContext } from '../../support/request-context.ts'

const door = TypeCompiler.Compile(openaiChat.body)

export function decode(body: object) {
  const asked = { model: 'glm-5', ...body }
  expect([...door.Errors(asked)].map(({ path, message }) => `${path} ${message}`)).toEqual([])
  return openaiChat.decode(asked, requestContext())
}

export const text = (words: string) => ({ type: 'text' as const, text: words })
export const user = (...words: string[]): Message => ({ role: 'user', parts: words.map(text) })
export const call = (id: string, name: string, args: string) => ({
  type: 'tool-call' as const,
  id,
  name,
  arguments: args,
})
