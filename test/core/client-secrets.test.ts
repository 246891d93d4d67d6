import { describe, expect, test } from 'bun:test'
import { createClientRedactor } from '../../src/core/client-secrets.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'

test('secrets of a client are removed as known ones are', () => {
  const redact = createClientRedactor(['pa55-word', 'Bearer-of-a-longer-secret', 'Bearer-of-a-longer-secret'])
  expect(redact('x pa55-word y')).toBe('x [redacted] y')
  expect(redact(`x ${Buffer.from('Bearer-of-a-longer-secret').toString('hex')} y`)).toBe('x [redacted] y')
  expect(redact('nothing of it')).toBe('nothing of it')
  expect(redact('')).toBe('')
})

const numbered = (count: number, text: string) => Array.from({ length: count }, (_, at) => text + at)

describe('no client makes it slow', () => {
  test.each<[string, string[], string]>([
    ['thousands of secrets', numbered(8_000, 'a secret like many others '), 'words'],
    ['one of a million characters', ['a'.repeat(1_000_000)], 'words'],
    ['long ones with a common beginning', numbered(190, 'a'.repeat(300)), 'a'.repeat(2_000_000)],
    ['short ones with a common beginning', numbered(190, 'aaaaaaa'), 'a'.repeat(2_000_000)],
  ])('%s', (_what, secrets, text) => {
    const startedAt = cpuTimeMs()
    expect(createClientRedactor(secrets)(text)).toBe('[redacted]')
    expect(cpuTimeMs() - startedAt).toBeLessThan(1_500)
  })
})
