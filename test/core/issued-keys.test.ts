import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { findIssuedKeys } from '../../src/core/issued-keys.ts'
import { withoutRanges } from '../../src/core/known-secrets.ts'
import { newSecret } from '../../src/keys/secret.ts'
import { runs } from '../support/effort.ts'

const secret = newSecret((bytes) => crypto.getRandomValues(bytes))
const redact = (text: string) => withoutRanges(findIssuedKeys(text), text)
const base64 = (text: string) => Buffer.from(text).toString('base64')
const url64 = (text: string) => Buffer.from(text).toString('base64url')
const percent = (text: string) => text.replace(/./g, (one) => `%${one.charCodeAt(0).toString(16)}`)

describe('secrets that were made are removed', () => {
  test.each<[string, string, string]>([
    ['as they are', `x ${secret} y`, 'x [redacted] y'],
    ['cut short', `x ${secret.slice(0, 20)}… y`, 'x [redacted]… y'],
    ['in capitals', secret.toUpperCase(), '[redacted]'],
    ['in hex', `x ${Buffer.from(secret).toString('hex')} y`, 'x [redacted] y'],
    ['in a URL with its mark escaped', `?k=${secret.replace('_', '%5F')}&b`, '?k=[redacted]&b'],
    ['in a URL with all escaped', `?k=${percent(secret)}&b`, '?k=[redacted]&b'],
    ['escaped twice', `?k=${percent(secret).replaceAll('%', '%25')}&b`, '?k=[redacted]&b'],
    ['in JSON of escapes', `"\\u007a2a\\u005f${secret.slice(4)}"`, '"[redacted]"'],
    ['in HTML of escapes', `&#122;2a&#x5f;${secret.slice(4)};`, '[redacted];'],
    ['in base64', `"${base64(secret)}"`, '"[redacted]="'],
    ['in base64 in a URL', `?k=${encodeURIComponent(base64(secret))}`, '?k=[redacted]%3D'],
  ])('%s', (_how, text, clean) => {
    expect(redact(text)).toBe(clean)
  })

  test('inside of whatever is encoded', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('', ':', '\n', '"}', ':x'), (before, after) => {
        for (const encoded of [base64(before + secret + after), url64(before + secret + after)]) {
          const left = redact(encoded)
          expect(left).toContain('[redacted]')
          const decoded = left.split('[redacted]').map((part) => Buffer.from(part, 'base64').toString('latin1'))
          expect(decoded.join('')).not.toContain(secret.slice(4, 10))
          expect(left.length).toBeLessThanOrEqual(encoded.length - 50 + '[redacted]'.length)
        }
      }),
      { numRuns: runs(100) },
    )
  })
})

test.each(['z2a_7Kq2mD', 'key z2a_ is the prefix', base64('nothing z2a here'), 'ejJhXzzz', 'a'.repeat(1_000)])(
  'other texts are unchanged: %s',
  (text) => {
    expect(redact(text)).toBe(text)
  },
)

test('an image is no secret', () => {
  const image = base64(Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString('latin1'))
  expect(redact(image)).toBe(image)
})
