/** Tells a secret from others without any part of it: the ends of its SHA-256 in hex, `7c31…a41c`. */
export function fingerprintOf(secret: string): string {
  const digest = new Bun.CryptoHasher('sha256').update(secret).digest('hex')
  return `${digest.slice(0, 4)}…${digest.slice(-4)}`
}
