import { rangeOf } from './byte-range.ts'
import { type ChunkHandlers, chunkReader } from './chunked.ts'
import { rawValues } from './raw-headers.ts'

/** How the end of a response body is found (RFC 9112, 6.3). */
export type BodyFraming =
  | { ends: 'with the connection' }
  | { ends: 'by chunks' }
  | { ends: 'by length'; length: number }

/** Errors: returned, if the end of the body cannot be found. */
export function framingOf(status: number, headers: readonly string[]): BodyFraming | Error {
  if (status === 204 || status === 304) return { ends: 'by length', length: 0 }
  const encodings = valuesOf('transfer-encoding', headers)
  if (encodings.length > 0) {
    if (encodings.join(', ').toLowerCase() === 'chunked') return { ends: 'by chunks' }
    return malformed('HPE_INVALID_TRANSFER_ENCODING', 'The body of the answer is transferred in an unknown encoding.')
  }
  const [length, ...others] = valuesOf('content-length', headers)
  if (length === undefined) return { ends: 'with the connection' }
  if (/^\d{1,15}$/.test(length) && others.every((other) => other === length))
    return { ends: 'by length', length: Number(length) }
  return malformed('HPE_INVALID_CONTENT_LENGTH', 'The answer does not say how long it is.')
}

/**
 * Reads a body, one network read at a time. At its end it calls `handlers.end` with the number of bytes that follow.
 */
export function bodyReader(framing: BodyFraming, handlers: ChunkHandlers): (bytes: Buffer) => void {
  if (framing.ends === 'by chunks') return chunkReader(handlers)
  let left = framing.ends === 'by length' ? framing.length : Number.POSITIVE_INFINITY
  return (bytes) => {
    const content = bytes.length <= left ? bytes : bytes.subarray(0, left)
    left -= content.length
    if (content.length > 0) handlers.push(rangeOf(content))
    if (left === 0) handlers.end(bytes.length - content.length)
  }
}

/** The error for a response that is not valid HTTP. */
export function malformed(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function valuesOf(name: string, headers: readonly string[]): string[] {
  const values: string[] = []
  for (const line of rawValues(headers, name)) for (const value of line.split(',')) values.push(value.trim())
  return values
}
