import type { ByteRange } from './byte-range.ts'

/** Receives the content of a chunked body. */
export interface ChunkHandlers {
  /** All content of one network read. */
  push(content: ByteRange): void
  /** The last chunk and the trailer have arrived, followed by `surplus` bytes. */
  end(surplus: number): void
  /** The input is not a chunked body. */
  fail(error: Error): void
}

type State = 'size' | 'extension' | 'content' | 'behind content' | 'trailer' | 'over'

/** Longest size line or trailer line; real ones are far shorter. */
const longestLine = 16_384
/** Most digits of a chunk size. */
const maxDigits = 12

/**
 * Extracts the content of a chunked body (RFC 9112, 7.1), one network read at a time. It overwrites the read. It must
 * not be called after the end or a failure.
 *
 * The content of several chunks is moved together inside the read's buffer, so that a read yields one piece however
 * many chunks it brought: a server of events sends each event as a chunk. Extensions and trailers are skipped.
 */
export function chunkReader(handlers: ChunkHandlers): (bytes: Buffer) => void {
  let state: State = 'size'
  let size = 0
  let digits = 0
  // Length of the line that is skipped.
  let length = 0
  let failure: Error | undefined

  return (bytes) => {
    let at = 0
    let start = 0
    let end = 0
    while (at < bytes.length && state !== 'over' && failure === undefined) {
      if (state === 'behind content') at = nextContent(bytes, at)
      if (state !== 'content') {
        readByte(bytes[at++] ?? 0)
        continue
      }
      const next = Math.min(at + size, bytes.length)
      if (start === end) start = end = at
      else bytes.copyWithin(end, at, next)
      end += next - at
      size -= next - at
      at = next
      if (size === 0) state = 'behind content'
    }
    if (end > start) handlers.push({ bytes, start, end })
    if (failure) handlers.fail(failure)
    else if (state === 'over') handlers.end(bytes.length - at)
  }

  /**
   * The start of the next content, in the usual case: the whole size line is in this read and has nothing but a size.
   */
  function nextContent(bytes: Buffer, at: number): number {
    if (bytes[at] !== carriageReturn || bytes[at + 1] !== lineFeed) return at
    let next = 0
    let end = at + 2
    for (let digit = digitOf(bytes[end] ?? 0); digit >= 0; digit = digitOf(bytes[++end] ?? 0)) next = next * 16 + digit
    const isPlainSizeLine =
      next > 0 && end - at <= maxDigits && bytes[end] === carriageReturn && bytes[end + 1] === lineFeed
    if (!isPlainSizeLine) return at
    size = next
    state = 'content'
    return end + 2
  }

  /** Reads a byte outside of the content. */
  function readByte(byte: number): void {
    switch (state) {
      case 'size': {
        const digit = digitOf(byte)
        if (digit >= 0 && digits < maxDigits) {
          size = size * 16 + digit
          digits++
        } else if (digits === 0 || !endsSize.has(byte)) fail('size')
        else if (byte === lineFeed) begin()
        else state = 'extension'
        break
      }
      case 'extension':
        if (byte === lineFeed) begin()
        else skip()
        break
      case 'behind content':
        if (byte === lineFeed) state = 'size'
        else if (byte !== carriageReturn) fail('end')
        break
      case 'trailer':
        if (byte === lineFeed) {
          if (length === 0) state = 'over'
          length = 0
        } else if (byte !== carriageReturn) skip()
        break
      case 'content':
      case 'over':
        break
      default:
        state satisfies never
    }
  }

  function begin(): void {
    state = size === 0 ? 'trailer' : 'content'
    digits = 0
    length = 0
  }

  function skip(): void {
    if (++length > longestLine) fail('extension or trailer')
  }

  function fail(what: string): void {
    const error = new Error(`A chunk of the answer has no proper ${what}.`)
    failure = Object.assign(error, { code: 'HPE_INVALID_CHUNK' })
  }
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
/** What may follow a chunk size: a line break, an extension, or white space. */
const endsSize = new Set([carriageReturn, lineFeed, 0x3b, 0x20, 0x09])

/** Value of a hexadecimal digit; −1 for any other byte. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
