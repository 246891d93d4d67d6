import { base64At, rangeIn, type TextRange, viewsOf } from './known-secrets.ts'
import { matchesOf } from './matches.ts'

/** Every secret that the operator makes begins like this, so that it is recognised wherever it turns up. */
export const issuedPrefix = 'z2a_'

/** At least eight: what people know a secret by has six digits after the prefix (see `prefixOf`), and is no secret. */
const digits = '[0-9A-Za-z]{8,}'
const plain = new RegExp(`${issuedPrefix}${digits}`, 'gi')
const atStart = new RegExp(`^${digits}`)
const hex = new RegExp(`${Buffer.from(issuedPrefix).toString('hex')}(?:3\\d|[46][1-9a-f]|[57][0-9a]){8,}`, 'gi')
const readable = [plain, hex]

/** How many characters of base64 come before the first one that depends on nothing but the prefix. */
const skipped = [0, 2, 3]
/** The prefix in base64, in both alphabets, behind 0, 1 or 2 bytes of its group, and as much as eight digits take. */
const encoded = skipped.map((_, offset) => {
  const beginnings = [...new Set(base64At(Buffer.from(issuedPrefix), offset))].map((text) => RegExp.escape(text))
  return { offset, pattern: new RegExp(`(?:${beginnings.join('|')})[\\w+/-]{10,}`, 'g') }
})

/**
 * The places of secrets that the operator has made, which are kept nowhere: as they are, in hex, in base64 (also inside a
 * longer encoded text, as in `Basic base64(user:key)`), and under the escapes of URLs, JSON and HTML.
 */
export function findIssuedKeys(text: string): TextRange[] {
  const ranges: TextRange[] = []
  for (const { text: seen, origin } of viewsOf(text)) {
    for (const pattern of readable)
      for (const { 0: found, index } of matchesOf(pattern, seen))
        ranges.push(rangeIn(origin, index, index + found.length))
    for (const { offset, pattern } of encoded)
      for (const { 0: found, index } of matchesOf(pattern, seen)) {
        const length = lengthInBase64(found, offset)
        if (length > 0) ranges.push(rangeIn(origin, index, index + length))
      }
  }
  return ranges
}

/**
 * The number of characters of `text` that encode a secret in base64. The last one may also encode what follows. 0 if the text
 * encodes something else.
 */
function lengthInBase64(text: string, offset: number): number {
  const before = skipped[offset] ?? 0
  const decoded = Buffer.from('A'.repeat(before) + text, 'base64').toString('latin1')
  const start = offset + issuedPrefix.length
  const [secret] = atStart.exec(decoded.slice(start)) ?? []
  return secret === undefined ? 0 : Math.min(text.length, Math.ceil(((start + secret.length) * 8) / 6) - before)
}
