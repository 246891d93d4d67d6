import { expect, test } from 'bun:test'
import { hashOf, newKeyId, newSecret, prefixOf } from '../../src/keys/secret.ts'

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes)

test('a secret holds 32 random bytes as letters and digits', () => {
  const secrets = Array.from({ length: 200 }, () => newSecret(random))
  for (const secret of secrets) expect(secret).toMatch(/^z2a_[0-9A-Za-z]{43}$/)
  expect(new Set(secrets).size).toBe(200)
  // Each byte counts, the first and the last as well.
  expect(newSecret((bytes) => bytes.fill(0))).toBe(`z2a_${'0'.repeat(43)}`)
  const firstOnly = newSecret((bytes) => bytes.fill(0).fill(1, 0, 1))
  const lastOnly = newSecret((bytes) => bytes.fill(0).fill(1, 31))
  expect(lastOnly).toBe(`z2a_${'0'.repeat(42)}1`)
  expect(firstOnly).not.toBe(lastOnly)
})

test('what is kept of a secret is its hash and its beginning', () => {
  const secret = `z2a_7Kq2mD${'x'.repeat(37)}`
  expect(prefixOf(secret)).toBe('z2a_7Kq2mD')
  expect(hashOf(secret)).toBe(new Bun.CryptoHasher('sha256').update(secret).digest('hex'))
})

test('ids sort by their time', () => {
  const ids = [9, 10, 1_764_500_000_000, 1_764_500_000_001].map((now) => newKeyId(now, random))
  expect(ids.toSorted()).toEqual(ids)
  for (const id of ids) expect(id).toMatch(/^key_[0-9a-f]{24}$/)
})
