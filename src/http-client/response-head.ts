import { HTTPParser } from 'http-parser-js'
import { type BodyFraming, framingOf, malformed } from './body-framing.ts'

/** Of an answer, all that is before its body. */
export interface Head {
  status: number
  /** Names and values in turn, as they came. */
  headers: readonly string[]
  framing: BodyFraming
  /** The server may take another request on this connection. */
  keepsAlive: boolean
  /** What has come of the body. */
  rest: Buffer
}

/** A server may say that it is still at work, but not for ever: most say nothing, and some say it once or twice. */
const mostInterim = 50

/** What every answer begins with. Servers of other protocols say something else, and may then wait for ever. */
const start = Buffer.from('HTTP/1.')

/**
 * Reads the heads of the answers on a connection, a network read at a time; returns each when it is complete. Interim
 * answers (100, 102, 103) are skipped.
 *
 * Errors: returned, for what is no answer in HTTP/1.
 */
export function headReader(): (bytes: Buffer) => Head | Error | undefined {
  // For heads alone: it would hand over a chunked body chunk by chunk, and does not tell what follows an answer.
  const parser = new HTTPParser(HTTPParser.RESPONSE)
  // How much of the start has come of the head that is read now.
  let matched = 0
  let interim = 0
  let found: Omit<Head, 'rest'> | Error | undefined
  parser[HTTPParser.kOnHeadersComplete] = ({ statusCode: status, headers, shouldKeepAlive: keepsAlive }) => {
    matched = 0
    if (isInterim(status)) {
      if (++interim > mostInterim) found = malformed('HPE_INTERIM_ANSWERS', 'The answer does not come to its end.')
      return leaveBody
    }
    interim = 0
    const framing = problemWith(status) ?? framingOf(status, headers)
    found = framing instanceof Error ? framing : { status, headers, framing, keepsAlive }
    return leaveBody
  }
  parser[HTTPParser.kOnMessageComplete] = () => {}

  return (bytes) => {
    for (let rest = bytes; rest.length > 0; ) {
      if (!mayBegin(rest)) return malformed('HPE_INVALID_CONSTANT', 'The answer is not in HTTP/1.')
      const read = parser.execute(rest)
      if (read instanceof Error) return read
      rest = rest.subarray(read)
      if (found === undefined) continue
      const head = found
      found = undefined
      return head instanceof Error ? head : { ...head, rest }
    }
    return undefined
  }

  /** Whether what has come of this head may be one. Empty lines before it are allowed. */
  function mayBegin(bytes: Buffer): boolean {
    for (const byte of bytes) {
      if (matched === start.length) return true
      if (matched === 0 && (byte === carriageReturn || byte === lineFeed)) continue
      if (byte !== start[matched++]) return false
    }
    return true
  }
}

/** Tells the parser that somebody else reads on. */
const leaveBody = 2

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** An answer before the answer. 101 is the last in HTTP. */
function isInterim(status: number): boolean {
  return status >= 100 && status < 200 && status !== 101
}

function problemWith(status: number): Error | undefined {
  if (status === 101) return malformed('HPE_UPGRADE', 'The answer changes to another protocol.')
  if (status < 200 || status > 599)
    return malformed('HPE_INVALID_STATUS', 'The answer has a status that does not exist.')
  return undefined
}
