import { expect, test } from 'bun:test'
import { newId } from '../../src/composition/new-id.ts'

test('ids have 24 characters behind their prefix, and none comes twice', () => {
  const ids = Array.from({ length: 1_000 }, () => newId('msg_'))
  expect(new Set(ids).size).toBe(1_000)
  for (const id of ids) expect(id).toMatch(/^msg_[\dA-Za-z]{24}$/)
})

test('the id of a request begins with its time, and ends with what no other has', () => {
  const from = Date.now()
  const ids = Array.from({ length: 300 }, () => newId('req_'))
  for (const id of ids) {
    expect(id).toMatch(/^req_[\da-f]{24}$/)
    const at = Number.parseInt(id.slice(4, 16), 16)
    expect(at).toBeGreaterThanOrEqual(from)
    expect(at).toBeLessThanOrEqual(Date.now())
  }
  expect(new Set(ids.map((id) => id.slice(16))).size).toBe(300)
})
