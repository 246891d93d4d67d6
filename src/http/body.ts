import { type Clock, withTimeout } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { type YieldIfLong, yieldBetweenSteps } from '../core/yield-between-steps.ts'
import { rejectDeepNesting } from './body-depth.ts'
import { rejectTooManyValues } from './body-value-count.ts'

export interface BodyLimits {
  /** Of the body as it is read, unpacked. */
  maxBytes: number
  /** Longest wait for the next piece; also what the whole may take, apart from the time its bytes earn. */
  timeoutMs: number
  clock: Clock
}

/** A body that trickles is a connection held for nothing: 500 bytes buy a second, as in Apache's reqtimeout. */
const msPerByte = 2

/** One of these lies in a packet or a few, and is cheaper to take as a whole. */
const smallBytes = 65_536

/** A request body, and the pauses for what else is done with it. */
export interface JsonBody {
  body: unknown
  yieldIfLong: YieldIfLong
}

/** Ways to pack a body (RFC 9110, 8.4.1), as the streams that unpack them are called. */
const unpackers = new Map<string, Bun.CompressionFormat>([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'brotli'],
  ['zstd', 'zstd'],
])

const unreadCodes = new Set([
  'request_too_large',
  'request_body_timeout',
  'unsupported_encoding',
  'invalid_host',
  'shutting_down',
])

/** The rest of the body may still be on its way, so the connection is of no use after the reply. */
export function leavesBodyUnread(error: GatewayError): boolean {
  return unreadCodes.has(error.code) || error.kind === 'unauthorized' || error.kind === 'forbidden'
}

/**
 * Reads a JSON body of at most `maxBytes`, whether its length was announced or not, packed or not.
 *
 * Errors: `too-large`; `cancelled` for a client that left; `invalid-request` for a body that does not arrive in time,
 * is packed in a way nobody here can unpack, is empty, is not JSON, holds too many values or is nested too deep. None
 * repeats what the body says. Others have their turn between the steps a large body takes.
 */
export async function readJson(request: Request, limits: BodyLimits): Promise<JsonBody> {
  const text = await readText(request, limits)
  const yieldIfLong = yieldBetweenSteps(limits.clock, text.length)
  rejectTooManyValues(text)
  await yieldIfLong()
  const body = parse(text)
  await yieldIfLong()
  rejectDeepNesting(body)
  await yieldIfLong()
  return { body, yieldIfLong }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (text.trim() === '') throw new GatewayError('invalid-request', 'The request body is empty; JSON is expected.')
    const reason = cause instanceof Error ? withoutQuoted(cause.message) : 'syntax error'
    throw new GatewayError('invalid-request', `The request body is not valid JSON: ${reason}`, { code: 'invalid_json' })
  }
}

async function readText(request: Request, limits: BodyLimits): Promise<string> {
  const { maxBytes, timeoutMs, clock } = limits
  const encoding = (request.headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  const announced = Number(request.headers.get('content-length') ?? 0)
  const packed = encoding !== 'identity'
  if (announced > maxBytes) throw tooLarge(maxBytes)
  try {
    const isSmall = !packed && announced > 0 && announced <= smallBytes
    return await (isSmall ? inTime(request.text(), timeoutMs) : readPieces(body(request, encoding)))
  } catch (thrown) {
    return explained(thrown)
  }

  async function readPieces(pieces: ReadableStream<Uint8Array> | null): Promise<string> {
    if (!pieces) return ''
    const reader = pieces.getReader()
    const startedAt = clock.monotonic()
    // Decoding each piece while it is in the processor's caches takes half the time of joining them all first.
    const decoder = new TextDecoder()
    let text = ''
    let size = 0
    try {
      for (;;) {
        const leftMs = startedAt + timeoutMs + size * msPerByte - clock.monotonic()
        const { done, value } = await inTime(reader.read(), Math.min(timeoutMs, leftMs))
        if (done) return text + decoder.decode()
        size += value.byteLength
        if (size > maxBytes) throw tooLarge(maxBytes)
        text += decoder.decode(value, { stream: true })
      }
    } catch (thrown) {
      reader.cancel().catch(() => {})
      throw thrown
    }
  }

  function inTime<Read>(reading: Promise<Read>, ms: number): Promise<Read> {
    return withTimeout(reading, ms, () => Promise.reject<Read>(tooSlow(timeoutMs)), clock)
  }

  function explained(thrown: unknown): never {
    if (thrown instanceof GatewayError) throw thrown
    if (request.signal.aborted) throw new GatewayError('cancelled', 'The client left while it was sending its request.')
    if (packed)
      throw new GatewayError('invalid-request', `The request body cannot be unpacked: it is not ${encoding}.`, {
        code: 'invalid_encoding',
      })
    throw thrown
  }
}

/** The body unpacked, piece by piece: a small one may hold a very large one. */
function body(request: Request, encoding: string): ReadableStream<Uint8Array> | null {
  if (encoding === 'identity') return request.body
  const unpacker = unpackers.get(encoding)
  // The types know the formats of browsers only.
  if (unpacker) return request.body?.pipeThrough(new DecompressionStream(unpacker as CompressionFormat)) ?? null
  throw new GatewayError('invalid-request', 'content-encoding: expected gzip, deflate, br, zstd or none', {
    status: 415,
    code: 'unsupported_encoding',
    param: 'content-encoding',
  })
}

/** The engine quotes what it stumbled over, and that is somebody's prompt. */
function withoutQuoted(message: string): string {
  return message.replace(/\s*"[\s\S]*/, '')
}

function tooSlow(timeoutMs: number): GatewayError {
  return new GatewayError('invalid-request', `The request body did not arrive in time (${timeoutMs} ms a piece).`, {
    status: 408,
    code: 'request_body_timeout',
    retry: true,
  })
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'too-large',
    `The request body is larger than ${maxBytes} bytes. MAX_BODY_BYTES sets the limit of this gateway.`,
    { code: 'request_too_large' },
  )
}
