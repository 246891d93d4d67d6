import type { ByteRange } from './byte-range.ts'

/** What is in a chunked body. */
export interface ChunkHandlers {
  /** All the content of a network read. */
  push(content: ByteRange): void
  /** The last chunk and the trailer have come, and so many bytes behind them. */
  end(surplus: number): void
  /** What came is no chunk. */
  fail(error: Error): void
}

type State = 'size' | 'extension' | 'content' | 'behind content' | 'trailer' | 'over'

/** Size lines and trailers longer than this are nobody's. */
const longestLine = 16_384
/** Of a size: more is no number here. */
const mostDigits = 12

/**
 * Takes the content out of a chunked body (RFC 9112, 7.1), a network read at a time; reads, which are overwritten, are
 * not wanted after the end or a failure.
 *
 * Content of many chunks is moved together where it lies, so that a read is one piece however many chunks it brought:
 * a server of events makes a chunk of each. Extensions and trailers are skipped.
 */
export function chunkReader(handlers: ChunkHandlers): (bytes: Buffer) => void {
  let state: State = 'size'
  let size = 0
  let digits = 0
  // Of the line that is skipped.
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

  /** Where the next content begins, in the usual case: all that is before it is here, and nothing but its size. */
  function nextContent(bytes: Buffer, at: number): number {
    if (bytes[at] !== carriageReturn || bytes[at + 1] !== lineFeed) return at
    let next = 0
    let end = at + 2
    for (let digit = digitOf(bytes[end] ?? 0); digit >= 0; digit = digitOf(bytes[++end] ?? 0)) next = next * 16 + digit
    const isUsual = next > 0 && end - at <= mostDigits && bytes[end] === carriageReturn && bytes[end + 1] === lineFeed
    if (!isUsual) return at
    size = next
    state = 'content'
    return end + 2
  }

  /** A byte of what is around the content. */
  function readByte(byte: number): void {
    switch (state) {
      case 'size': {
        const digit = digitOf(byte)
        if (digit >= 0 && digits < mostDigits) {
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
/** A line break, an extension, or space before one. */
const endsSize = new Set([carriageReturn, lineFeed, 0x3b, 0x20, 0x09])

/** What a hexadecimal digit is worth; −1 for all else. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
