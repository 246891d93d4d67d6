import { expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import { invalidBody } from '../../src/http/body-validation.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'

const text = Type.Object({ type: Type.Literal('text'), text: Type.String() })
const image = Type.Object({ type: Type.Literal('image'), url: Type.String() })
const schema = Type.Object({
  model: Type.String(),
  messages: Type.Array(
    Type.Union([
      Type.Object({
        role: Type.Literal('user'),
        content: Type.Union([Type.String(), Type.Array(Type.Union([text, image]))]),
      }),
      Type.Object({ role: Type.Literal('assistant'), content: Type.Union([Type.String(), Type.Null()]) }),
    ]),
  ),
  choice: Type.Optional(
    Type.Union([
      Type.Object({ type: Type.Literal('tool') }),
      Type.Union([Type.Literal('auto'), Type.Literal('none')]),
      Type.Null(),
    ]),
  ),
})
const user = (content: unknown) => ({ model: 'm', messages: [{ role: 'user', content }] })

test.each<[string, unknown, string, string | undefined]>([
  ['a missing field', {}, 'model: this field is required', 'model'],
  ['a field of another type', { model: 1, messages: [] }, 'model: expected string, got 1', 'model'],
  [
    'a tag nobody knows',
    { model: 'm', messages: [{ role: 'x' }] },
    'messages.0.role: expected one of "user", "assistant", got "x"',
    'messages.0.role',
  ],
  [
    'a tag that is missing',
    { model: 'm', messages: [{}] },
    'messages.0.role: expected one of "user", "assistant", got nothing',
    'messages.0.role',
  ],
  [
    'a field deep in the branch that was meant',
    user([{ type: 'text' }]),
    'messages.0.content.0.text: this field is required',
    'messages.0.content.0.text',
  ],
  [
    'a block nobody knows',
    user([{ type: 'video' }]),
    'messages.0.content.0.type: expected one of "text", "image", got "video"',
    'messages.0.content.0.type',
  ],
  [
    'a tag nobody knows where a word could stand, too',
    { model: 'm', messages: [], choice: { type: 'x' } },
    'choice.type: expected one of "tool", got "x"',
    'choice.type',
  ],
  ['a value that fits no branch', user(7), 'messages.0.content: expected string or array, got 7', 'messages.0.content'],
  ['a body that is no object', [], 'body: expected object, got an array', undefined],
  [
    'a long value is not repeated',
    { model: 'm', messages: 'x'.repeat(50) },
    'messages: expected array, got a string',
    'messages',
  ],
  [
    'nor is a short one, where no word was expected',
    { model: 'm', messages: 'planted' },
    'messages: expected array, got a string',
    'messages',
  ],
  [
    'nor is a sentence, where a word was',
    { model: 'm', messages: [{ role: 'planted words' }] },
    'messages.0.role: expected one of "user", "assistant", got a string',
    'messages.0.role',
  ],
])('%s is named by its path', (_name, body, message, param) => {
  expect(invalidBody(schema, body)).toMatchObject({ kind: 'invalid-request', message, param })
})

test('one of very many errors is named at once', () => {
  const startedAt = cpuTimeMs()
  const error = invalidBody(schema, user(Array.from({ length: 50_000 }, () => ({ type: 'txt' }))))
  expect(error.message).toBe('messages.0.content.0.type: expected one of "text", "image", got "txt"')
  expect(cpuTimeMs() - startedAt).toBeLessThan(3_000)
})
