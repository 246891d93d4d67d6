import { expect, test } from 'bun:test'
import { createOperatorSecrets } from '../../src/core/operator-secrets.ts'

const later = 'tomorrows-password'

test('a text that was clean is searched again once there is another secret', () => {
  const secrets = createOperatorSecrets(['yesterdays-key-1'])
  const find = secrets.remembering(secrets.findConfigured)
  expect([secrets.redact(later), find(later)]).toEqual([later, []])
  expect([secrets.redact(later), find(later)]).toEqual([later, []])
  secrets.add([later])
  expect([secrets.redact(later), find(later)[0]]).toEqual(['[redacted]', [0, later.length]])
  expect(secrets.redact('yesterdays-key-1')).toBe('[redacted]')
})

test('a text with a secret is not remembered, and a short one without is searched once', () => {
  const secrets = createOperatorSecrets([])
  const searched: string[] = []
  const find = secrets.remembering((text) => {
    searched.push(text)
    return text === 'bad' ? [[0, 3]] : []
  })
  const long = 'x'.repeat(100)
  expect(['bad', 'good', long, 'bad', 'good', long].map((text) => find(text).length)).toEqual([1, 0, 0, 1, 0, 0])
  expect(searched).toEqual(['bad', 'good', long, 'bad', long])
})

test('keys that the operator has made are removed without being known', () => {
  expect(createOperatorSecrets([]).redact('sent z2a_0123456789abcdef to it')).toBe('sent [redacted] to it')
})
