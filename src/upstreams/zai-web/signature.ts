import { createHmac } from 'node:crypto'

/** How long a derived key is valid: five minutes. */
const windowMs = 300_000

export interface SignatureInput {
  /** A fresh UUID per request. */
  requestId: string
  userId: string
  /** Epoch milliseconds; the same instant goes into the query as `timestamp` and `signature_timestamp`. */
  at: number
  /** Text of the last user message, byte for byte as sent. */
  prompt: string
  key: string
}

/**
 * Signs one completion request.
 *
 * Shape: lower-case hex for the `X-Signature` header. There are two stages: the key signs the five-minute window, and
 * the hex text of that signature (not its bytes) signs the request.
 * Errors: none; a wrong signature makes the call fail.
 * Source: the site's script bundle, in force since 2025-10; vectors in signature_vectors.json.
 */
export function sign({ requestId, userId, at, prompt, key }: SignatureInput): string {
  const metadata = `requestId,${requestId},timestamp,${at},user_id,${userId}`
  const canonical = `${metadata}|${Buffer.from(prompt).toString('base64')}|${at}`
  const derived = hmacHex(key, String(Math.floor(at / windowMs)))
  return hmacHex(derived, canonical)
}

function hmacHex(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}
