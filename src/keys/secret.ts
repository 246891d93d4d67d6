import { issuedPrefix } from '../core/issued-keys.ts'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const secretBytes = 32
/** Base 62 needs at most 43 digits for 32 bytes. */
const digits = 43
/** Enough to tell keys apart. Of the 256 bits, 219 stay secret. */
const shownDigits = 6

/** Fills `bytes` with randomness and returns them. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array

/** A new secret of 32 random bytes: `z2a_` and 43 letters and digits. A double click selects it as a whole. */
export function newSecret(random: RandomBytes): string {
  let left = 0n
  for (const byte of random(new Uint8Array(secretBytes))) left = left * 256n + BigInt(byte)
  let text = ''
  for (let at = 0; at < digits; at++) {
    text = base62[Number(left % 62n)] + text
    left /= 62n
  }
  return issuedPrefix + text
}

/** The beginning of a secret, by which people recognise it: `z2a_7Kq2mD`. */
export function prefixOf(secret: string): string {
  return secret.slice(0, issuedPrefix.length + shownDigits)
}

/** The SHA-256 of a secret in lower-case hexadecimal digits, which is stored in its place. */
export function hashOf(secret: string): string {
  return Bun.CryptoHasher.hash('sha256', secret, 'hex')
}

/** An id that sorts by its time: `key_`, 12 hexadecimal digits of milliseconds and 12 random ones. */
export function newKeyId(now: number, random: RandomBytes): string {
  const time = Math.max(0, now).toString(16).padStart(12, '0')
  return `key_${time}${Buffer.from(random(new Uint8Array(6))).toString('hex')}`
}
