import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'

test('a message is one line, whatever it quotes', () => {
  const { message } = new GatewayError('not-found', 'The model `a\r\n\tb\u2028c\u0000` does not exist here.')
  expect(message).toBe('The model `a b c ` does not exist here.')
})

test('with() changes the given facts, keeps the others, and sets the original error as the cause', () => {
  const facts = {
    ...{ code: 'a_code', param: 'a.field', retryAfterMs: 1_000, status: 418, retry: true, details: { a: 1 } },
    ...{ overflow: { tokens: 2, maximum: 1 }, detail: { b: 2 } },
  }
  const error = new GatewayError('context-overflow', 'Too long.', facts)
  const later = error.with({ retryAfterMs: 500 })
  expect({ ...later }).toEqual({ ...error, retryAfterMs: 500 })
  expect([later.message, later.cause]).toEqual(['Too long.', error])
  expect({ ...error.with({ message: 'Other words.' }) }).toEqual({ ...error })
  expect(error.with({ message: 'Other words.' }).message).toBe('Other words.')
})

test('a message has no characters that change the direction of text', () => {
  const { message } = new GatewayError('not-found', 'No model `a\u202eb\u2066c\u200fd\u061ce`, but 👩\u200d💻.')
  expect(message).toBe('No model `a b c d e`, but 👩\u200d💻.')
})
