import { createPublicKey, verify } from 'node:crypto'

/** Bytes: two for the algorithm, eight for the id of the key, and what follows. */
const idEnd = 10
const keyLength = 42
const signatureLength = 74

/** The DER header of an Ed25519 key. The 32 bytes of the key follow it. */
const derPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Checks `signature`, the text of a `.minisig` file, against `message` and the signature's own comment. Returns that
 * comment, which is signed, too; `undefined` if the signature is not one by `publicKey`, the last line of a `.pub` file
 * of minisign. Signatures over a hash (`ED`) are not supported; `make release` makes none.
 */
export function signedComment(publicKey: string, message: Uint8Array, signature: string): string | undefined {
  const key = Buffer.from(publicKey.trim(), 'base64')
  const [, first = '', comment = '', second = ''] = signature.split(/\r?\n/)
  const signed = Buffer.from(first, 'base64')
  const trusted = /^trusted comment: (.*)$/.exec(comment)?.[1]
  if (key.length !== keyLength || signed.length !== signatureLength || trusted === undefined) return undefined
  if (key.toString('latin1', 0, 2) !== 'Ed' || !key.subarray(0, idEnd).equals(signed.subarray(0, idEnd)))
    return undefined
  const der = Buffer.concat([derPrefix, key.subarray(idEnd)])
  const ed25519 = createPublicKey({ key: der, format: 'der', type: 'spki' })
  const ofMessage = signed.subarray(idEnd)
  const ofBoth = Buffer.concat([ofMessage, Buffer.from(trusted)])
  const isSigned =
    verify(null, message, ed25519, ofMessage) && verify(null, ofBoth, ed25519, Buffer.from(second, 'base64'))
  return isSigned ? trusted : undefined
}
