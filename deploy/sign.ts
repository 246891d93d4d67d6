import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'

/** The key that signs releases, and its public half as minisign writes it. */
export interface ReleaseKey {
  privateKey: KeyObject
  /** The last line of a `.pub` file. */
  publicKey: string
  id: Buffer
}

/** Reads an Ed25519 key in PEM, as `openssl genpkey -algorithm ed25519` writes it. */
export function releaseKey(pem: string): ReleaseKey {
  const privateKey = createPrivateKey(pem)
  const raw = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
  const id = createHash('sha256').update(raw).digest().subarray(0, 8)
  return { privateKey, id, publicKey: Buffer.concat([Buffer.from('Ed'), id, raw]).toString('base64') }
}

/** What `zai2api update` reads: the version, and how old a release is that still counts as the newest. */
export function trustedComment(version: string, madeAt: Date): string {
  return `zai2api ${version} ${madeAt.toISOString().slice(0, 10)}`
}

/** A `.minisig` file. The signature is over the file itself and not over a hash, so that openssl can check it, too. */
export function signatureOf(message: Uint8Array, trustedComment: string, { privateKey, id }: ReleaseKey): string {
  const signature = sign(null, message, privateKey)
  const both = sign(null, Buffer.concat([signature, Buffer.from(trustedComment)]), privateKey)
  return `untrusted comment: signature of a release of zai2api
${Buffer.concat([Buffer.from('Ed'), id, signature]).toString('base64')}
trusted comment: ${trustedComment}
${both.toString('base64')}
`
}
