import { HTTPParser } from 'http-parser-js'
import { type BodyFraming, framingOf, malformed } from './body-framing.ts'

/** The part of a response before its body. */
export interface ResponseHead {
  status: number
  /** Names and values in turn, as received. */
  headers: readonly string[]
  framing: BodyFraming
  /** The server accepts another request on this connection. */
  keepsAlive: boolean
  /** The part of the body that has already arrived. */
  rest: Buffer
}

/** Limit of interim responses, so that a server cannot send them forever. Most servers send none, some one or two. */
const maxInterim = 50

/** The beginning of every response. It is checked at once, because a server of another protocol may wait forever. */
const start = Buffer.from('HTTP/1.')

/**
 * Reads the heads of the responses on a connection, one network read at a time, and returns each when it is complete.
 * Interim responses (100, 102, 103) are skipped.
 *
 * Errors: returned, if the input is not an HTTP/1 response.
 */
export function headReader(): (bytes: Buffer) => ResponseHead | Error | undefined {
  // The parser is used for heads only: it would deliver a chunked body chunk by chunk, and does not report what
  // follows.
  const parser = new HTTPParser(HTTPParser.RESPONSE)
  // Number of bytes of `start` that have matched in the current head.
  let matched = 0
  let interim = 0
  let found: Omit<ResponseHead, 'rest'> | Error | undefined
  // Nothing of a response has arrived since the last head.
  let isBetween = true
  parser[HTTPParser.kOnHeadersComplete] = ({ statusCode: status, headers, shouldKeepAlive: keepsAlive }) => {
    matched = 0
    if (isInterim(status)) {
      if (++interim > maxInterim) found = malformed('HPE_INTERIM_ANSWERS', 'The answer does not come to its end.')
      return leaveBody
    }
    interim = 0
    const framing = problemWith(status) ?? framingOf(status, headers)
    found = framing instanceof Error ? framing : { status, headers, framing, keepsAlive }
    return leaveBody
  }
  parser[HTTPParser.kOnMessageComplete] = () => {}

  return (bytes) => {
    const plain = isBetween ? plainHead(bytes) : undefined
    if (plain) return plain
    isBetween = false
    for (let rest = bytes; rest.length > 0; ) {
      if (!mayBegin(rest)) return malformed('HPE_INVALID_CONSTANT', 'The answer is not in HTTP/1.')
      const read = parser.execute(rest)
      // The parser gives a code to every error but that of a head that is too large.
      if (read instanceof Error) return 'code' in read ? read : malformed('HPE_HEADER_OVERFLOW', read.message)
      rest = rest.subarray(read)
      if (found === undefined) continue
      const head = found
      found = undefined
      isBetween = true
      return head instanceof Error ? head : { ...head, rest }
    }
    return undefined
  }

  /** Whether the bytes so far may be the beginning of a head. Empty lines before it are allowed. */
  function mayBegin(bytes: Buffer): boolean {
    for (const byte of bytes) {
      if (matched === start.length) return true
      if (matched === 0 && (byte === carriageReturn || byte === lineFeed)) continue
      if (byte !== start[matched++]) return false
    }
    return true
  }
}

/** Tells the parser to skip the body. */
const leaveBody = 2

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** An interim response precedes the real one. 101 is final in HTTP. */
function isInterim(status: number): boolean {
  return status >= 100 && status < 200 && status !== 101
}

function problemWith(status: number): Error | undefined {
  if (status === 101) return malformed('HPE_UPGRADE', 'The answer changes to another protocol.')
  if (status < 200 || status > 599)
    return malformed('HPE_INVALID_STATUS', 'The answer has a status that does not exist.')
  return undefined
}

/** In bytes. */
const maxPlainSize = 16_384
const endOfHead = Buffer.from('\r\n\r\n')
/** A status line and headers, each on a line of printable ASCII. */
const plainLines = /^HTTP\/1\.1 [2-5]\d\d(?: [\t -~]*)?\r\n(?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)*$/

/**
 * Reads a head as nearly all servers send it: whole in one read, with one way to frame the body. The parser takes ten
 * times as long, which was 4 % of a short request. Returns `undefined` for any other head: the parser judges it.
 */
export function plainHead(bytes: Buffer): ResponseHead | undefined {
  const end = bytes.indexOf(endOfHead)
  if (end < 0 || end > maxPlainSize) return undefined
  const text = bytes.toString('latin1', 0, end + 2)
  if (!plainLines.test(text)) return undefined
  const status = Number(text.slice(9, 12))
  const headers: string[] = []
  let isChunked = false
  let length: string | undefined
  let connection = ''
  for (let at = text.indexOf('\r\n') + 2; at < text.length; ) {
    const colon = text.indexOf(':', at)
    const lineEnd = text.indexOf('\r\n', colon)
    const name = text.slice(at, colon)
    const value = text.slice(colon + 1, lineEnd).trim()
    headers.push(name, value)
    at = lineEnd + 2
    if (isNamed(name, 'transfer-encoding')) {
      if (isChunked || value.toLowerCase() !== 'chunked') return undefined
      isChunked = true
    } else if (isNamed(name, 'content-length')) {
      if (length !== undefined || !/^\d{1,15}$/.test(value)) return undefined
      length = value
    } else if (isNamed(name, 'connection')) connection += value.toLowerCase()
  }
  if (isChunked && length !== undefined) return undefined
  const framing = framingBy(status, isChunked, length)
  const keepsAlive = framing.ends !== 'with the connection' && !connection.includes('close')
  return { status, headers, framing, keepsAlive, rest: bytes.subarray(end + endOfHead.length) }
}

function framingBy(status: number, isChunked: boolean, length: string | undefined): BodyFraming {
  if (status === 204 || status === 304) return { ends: 'by length', length: 0 }
  if (isChunked) return { ends: 'by chunks' }
  return length === undefined ? { ends: 'with the connection' } : { ends: 'by length', length: Number(length) }
}

/** Most names differ in length already. */
function isNamed(name: string, wanted: string): boolean {
  return name.length === wanted.length && name.toLowerCase() === wanted
}
