import { expect, test } from 'bun:test'
import { batches } from '../../../src/dialects/anthropic-messages/batches.ts'

test('as many requests as Anthropic takes, and no more', () => {
  const bodyOf = (size: number) => ({
    requests: Array.from({ length: size }, (_, n) => ({ custom_id: `r${n}`, params: { model: 'glm-4.6' } })),
  })
  const last = [...batches.entries(bodyOf(100_000))].at(-1)
  expect(last).toEqual({ name: 'r99999', body: { model: 'glm-4.6', stream: false } })
  expect(() => [...batches.entries(bodyOf(100_001))]).toThrow('requests: expected at most 100000 entries, got 100001.')
})
