import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'

test('a message is one line, whatever it quotes', () => {
  const { message } = new GatewayError('not-found', 'The model `a\r\n\tb\u2028c\u0000` does not exist here.')
  expect(message).toBe('The model `a b c ` does not exist here.')
})
