import { joinInPortions, utf8InPortions } from '../async/bytes-in-portions.ts'
import { type Clock, withTimeout } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { type YieldIfLong, yieldBetweenSteps } from '../core/yield-between-steps.ts'
import { rejectDeepNesting } from './body-depth.ts'
import { type BodyShape, type ShapeReader, shapeReader, shortLength, usualMostValues } from './body-shape.ts'
import { afterBlanks, parseInPortions } from './parse-in-portions.ts'
import { hasDuplicateNames, type PreviousBodiesOfOwner, type SharedPrefix } from './previous-bodies.ts'

export interface BodyLimits {
  /** The limit holds for the decompressed body. */
  maxBytes: number
  /** Longest wait for the next bytes. The whole body may take this long, plus the time that its bytes earn. */
  timeoutMs: number
  clock: Clock
  /** Values of JSON; `usualMostValues` where absent. */
  mostValues?: number | undefined
  /** The bodies that the same caller has sent before. */
  previous?: PreviousBodiesOfOwner | undefined
  /** Receives the body, long ones as bytes of UTF-8, before it is parsed. */
  onBody?: ((body: string | Buffer) => void) | undefined
}

/**
 * A body that arrives very slowly holds a connection for nothing. Each 500 bytes extend the deadline by a second, as in
 * Apache's reqtimeout.
 */
const msPerByte = 2

/** Below this size, a body arrives in one or a few packets, and is read faster in one piece. */
const smallBytes = 65_536

/** A request body, and the function that lets other requests run between the next steps. */
export interface JsonBody {
  body: unknown
  yieldIfLong: YieldIfLong
  /** Keeps a long body, so that the next one need not be parsed as a whole. To be called once it was found to be valid. */
  keep?: () => void
}

/** Content codings (RFC 9110, 8.4.1), with the names of the streams that decompress them. */
const unpackers = new Map<string, Bun.CompressionFormat>([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'brotli'],
  ['zstd', 'zstd'],
])

const byteOrderMark = Buffer.from('\ufeff')

const unreadCodes = new Set([
  'request_too_large',
  'request_body_timeout',
  'unsupported_encoding',
  'invalid_host',
  'shutting_down',
])

/** The rest of the body may still be arriving, so the connection cannot be used after the response. */
export function leavesBodyUnread(error: GatewayError): boolean {
  return unreadCodes.has(error.code) || error.kind === 'unauthorized' || error.kind === 'forbidden'
}

/**
 * Reads a JSON body of at most `maxBytes`, with or without a content length, compressed or not.
 *
 * Errors: `too-large`; `cancelled` if the client disconnects; `invalid-request` for a body that does not arrive in
 * time, has an unknown content coding, is empty, is not JSON, holds too many values or is nested too deep. No error
 * quotes the body. Other requests may run between the steps of reading a large body.
 */
export async function readJson(request: Request, limits: BodyLimits): Promise<JsonBody> {
  const body = await readBody(request, limits)
  limits.onBody?.(body)
  return await parseJsonBody(body, limits)
}

type ParseOptions = Pick<BodyLimits, 'clock' | 'mostValues' | 'previous'>

/** The second step of `readJson`, for a body that has arrived in another way; bytes are those of UTF-8. */
export async function parseJsonBody(json: string | Buffer, options: ParseOptions): Promise<JsonBody> {
  const { clock, previous, mostValues = usualMostValues } = options
  const yieldIfLong = yieldBetweenSteps(clock, json.length)
  if (json.length <= shortLength) {
    const text = String(json)
    const body = await parsed(text, () => JSON.parse(text))
    rejectDeepNesting(body)
    return { body, yieldIfLong }
  }
  const bytes = typeof json === 'string' ? await utf8InPortions(json, yieldIfLong) : json
  const prefix = previous?.longestPrefixOf(bytes)
  const continued = prefix && (await parseNewPart(bytes, prefix, mostValues, yieldIfLong))
  const { body, shape } = continued ?? (await parseWhole(bytes, mostValues, yieldIfLong))
  return { body, yieldIfLong, keep: () => previous?.add(bytes, body, shape, continued && prefix) }
}

interface ParsedBody {
  body: unknown
  shape: BodyShape
}

/**
 * Parses only the part that an earlier body did not have. Returns nothing if the whole body has to be parsed, because
 * the rest is long or invalid; `parseWhole` then reports the error.
 */
async function parseNewPart(
  bytes: Buffer,
  prefix: SharedPrefix,
  mostValues: number,
  yieldIfLong: YieldIfLong,
): Promise<ParsedBody | undefined> {
  if (bytes.length - prefix.length > mostBytesAtOnce) return undefined
  const shape = await shapeInPortions(shapeReader(bytes, mostValues, prefix), yieldIfLong)
  if (shape.isDeep || shape.values - prefix.values > mostValuesAtOnce) return undefined
  try {
    const body = prefix.parseRest(bytes)
    return hasDuplicateNames(body, shape.memberNames) ? undefined : { body, shape }
  } catch {
    return undefined
  }
}

async function parseWhole(bytes: Buffer, mostValues: number, yieldIfLong: YieldIfLong): Promise<ParsedBody> {
  const shape = await shapeInPortions(shapeReader(bytes, mostValues), yieldIfLong)
  const { values, isDeep, longValues } = shape
  // A body that is nested too deeply is parsed only to name the field in the error.
  const isLong = !isDeep && (values > mostValuesAtOnce || bytes.length > mostBytesAtOnce)
  const body = await parsed(bytes, () =>
    isLong ? parseInPortions(bytes, longValues, yieldIfLong) : JSON.parse(bytes.toString()),
  )
  await yieldIfLong()
  if (isDeep) rejectDeepNesting(body)
  return { body, shape }
}

async function shapeInPortions(reader: ShapeReader, yieldIfLong: YieldIfLong): Promise<BodyShape> {
  while (reader.read(bytesAtOnce)) await yieldIfLong()
  await yieldIfLong()
  return reader.shape()
}

/** Bytes whose shape is found out in 1 to 3 ms. */
const bytesAtOnce = 250_000

/** What `JSON.parse` reads in about 10 ms. */
const mostValuesAtOnce = 20_000
const mostBytesAtOnce = 2_000_000

async function parsed(json: string | Buffer, parse: () => unknown): Promise<unknown> {
  try {
    return await parse()
  } catch (cause) {
    if (afterBlanks(Buffer.from(json), 0) === json.length)
      throw new GatewayError('invalid-request', 'The request body is empty; JSON is expected.')
    const reason = cause instanceof Error ? withoutQuoted(cause.message) : 'syntax error'
    throw new GatewayError('invalid-request', `The request body is not valid JSON: ${reason}`, { code: 'invalid_json' })
  }
}

/**
 * A long body stays bytes and is never turned into one string: allocating 30 MB at once blocks other requests for 10 to
 * 25 ms each time.
 */
async function readBody(request: Request, limits: BodyLimits): Promise<string | Buffer> {
  const { maxBytes, timeoutMs, clock } = limits
  const encoding = (request.headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  const announced = Number(request.headers.get('content-length') ?? 0)
  const packed = encoding !== 'identity'
  if (announced > maxBytes) {
    if (!request.headers.has('expect')) await discard(request.body, clock)
    throw tooLarge(maxBytes)
  }
  try {
    const isSmall = !packed && announced > 0 && announced <= smallBytes
    if (isSmall) return await inTime(request.text(), timeoutMs)
    return await readPieces(body(request, encoding))
  } catch (thrown) {
    return explained(thrown)
  }

  async function readPieces(pieces: ReadableStream<Uint8Array> | null): Promise<string | Buffer> {
    if (!pieces) return ''
    const reader = pieces.getReader()
    const startedAt = clock.monotonic()
    // Pieces that have arrived already are read without a turn of the event loop between them.
    const yieldIfLong = yieldBetweenSteps(clock, Number.POSITIVE_INFINITY)
    const arrived: Uint8Array[] = []
    let size = 0
    try {
      for (;;) {
        const leftMs = startedAt + timeoutMs + size * msPerByte - clock.monotonic()
        const { done, value } = await inTime(reader.read(), Math.min(timeoutMs, leftMs))
        if (done) break
        size += value.byteLength
        if (size > maxBytes) throw tooLarge(maxBytes)
        arrived.push(value)
        await yieldIfLong()
      }
      const [first = new Uint8Array()] = arrived
      const bytes = arrived.length > 1 ? await joinInPortions(arrived, size, yieldIfLong) : bufferOf(first)
      return bytes.subarray(0, byteOrderMark.length).equals(byteOrderMark)
        ? bytes.subarray(byteOrderMark.length)
        : bytes
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

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/**
 * Reads on for a moment. Closing a connection while the client still sends resets it, and the client or a proxy in
 * front of the gateway may then never read the refusal.
 */
async function discard(pieces: ReadableStream<Uint8Array> | null, clock: Clock): Promise<void> {
  if (!pieces) return
  const reader = pieces.getReader()
  const until = clock.monotonic() + discardMs
  const isOver = async () => {
    const leftMs = until - clock.monotonic()
    return leftMs <= 0 || (await withTimeout(reader.read(), leftMs, () => Promise.resolve({ done: true }), clock)).done
  }
  try {
    while (!(await isOver()));
  } catch {
    // A client that has left needs no answer.
  } finally {
    reader.cancel().catch(() => {})
  }
}

/** How long the rest of a body that is too large is read and thrown away. */
const discardMs = 2_000

/** The decompressed body, piece by piece, because a small body may expand to a very large one. */
function body(request: Request, encoding: string): ReadableStream<Uint8Array> | null {
  if (encoding === 'identity') return request.body
  const unpacker = unpackers.get(encoding)
  // The DOM types have only the formats of browsers.
  if (unpacker) return request.body?.pipeThrough(new DecompressionStream(unpacker as CompressionFormat)) ?? null
  throw new GatewayError('invalid-request', 'content-encoding: expected gzip, deflate, br, zstd or none', {
    status: 415,
    code: 'unsupported_encoding',
    param: 'content-encoding',
  })
}

/** JavaScript's error quotes the text around the error, which is a client's prompt. */
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
