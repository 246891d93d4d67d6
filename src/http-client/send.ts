import { outOfDescriptors } from '../async/file-descriptors.ts'
import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import { type ByteRange, bytesOf, rangeOf } from './byte-range.ts'

/** The one outgoing door: tests put a scripted one in its place. */
export type Fetch = (url: string, init: OutgoingRequest) => Promise<HttpResponse>

export interface OutgoingRequest extends RequestInit {
  /** Not to be changed afterwards: what they look like on the wire is kept for the next request that has them. */
  headers?: Readonly<Record<string, string>>
}

/** As much of a `Response` as is read here. */
export interface HttpResponse {
  readonly status: number
  readonly ok: boolean
  /** Asked by lower-case names. */
  readonly headers: Pick<Headers, 'get'>
  readonly body: ReadableStream<Uint8Array> | ByteStream | null
  text(): Promise<string>
}

/** A body as it comes, piece by piece. */
export interface ByteStream {
  /**
   * Asks for the next piece. `onRange` is called once, maybe before `next` returns; with `undefined` at the end of the
   * body, and then with what broke it off, if that is what ended it.
   */
  next(onRange: (range: ByteRange | undefined, failure?: { cause: unknown }) => void): void
  /** Closes the connection behind it. A piece that was asked for is then the end. */
  cancel(): void
}

export function byteStreamOf(body: ReadableStream<Uint8Array> | ByteStream): ByteStream {
  if ('next' in body) return body
  const reader = body.getReader()
  return {
    next: (onRange) =>
      void reader.read().then(
        ({ value }) => onRange(value && rangeOf(value)),
        (cause) => onRange(undefined, { cause }),
      ),
    cancel: () => void reader.cancel().catch(() => {}), // it may have failed already; nobody waits for it
  }
}

/** The next piece, `undefined` at the end. Rejects where the body broke off. */
export function readBytes(stream: ByteStream): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) =>
    stream.next((range, failure) => (failure ? reject(failure.cause) : resolve(range && bytesOf(range)))),
  )
}

/** Bytes of a body that is read as a whole: an error, a list of models, a chat's record. */
const maxTextBytes = 16 * 1024 * 1024

/** A whole body as text. Rejects where it broke off or has no end. */
export async function textOf(stream: ByteStream): Promise<string> {
  const utf8 = new TextDecoder()
  let text = ''
  let size = 0
  for (let range = await readBytes(stream); range; range = await readBytes(stream)) {
    text += utf8.decode(range, { stream: true })
    size += range.length
    if (size <= maxTextBytes) continue
    stream.cancel()
    throw new GatewayError(
      'upstream-malformed',
      `The upstream sent an answer of more than ${maxTextBytes / 1024 / 1024} MB.`,
      {
        code: 'upstream_answer_too_large',
        retry: false,
      },
    )
  }
  return text + utf8.decode()
}

export interface SendOptions {
  /** Who answers, in errors, where its host is not to be told: the name an operator gave it. */
  label?: string
  fetch: Fetch
  clock: Clock
  signal: AbortSignal
  /** From sending to the response headers. */
  headersTimeoutMs: number
}

/**
 * Sends one request and waits for its headers.
 *
 * Errors: `cancelled` when `signal` fired, `timeout` when the headers took too long, `upstream-unavailable` when
 * the connection failed. An HTTP error status is not an error here: its meaning is the upstream's to tell.
 */
export async function send(url: string, init: OutgoingRequest, options: SendOptions): Promise<HttpResponse> {
  const { label, fetch, clock, signal, headersTimeoutMs } = options
  const connection = new AbortController()
  let isLate = false
  const stop = clock.after(headersTimeoutMs, () => {
    isLate = true
    connection.abort()
  })
  // It closes the connection behind the body, too.
  if (signal.aborted) connection.abort()
  else signal.addEventListener('abort', () => connection.abort(), { once: true })
  try {
    return await fetch(url, {
      ...init,
      signal: connection.signal,
      // An upstream has no say in where prompts and keys go; what redirects has not understood the request.
      redirect: 'manual',
      // Bun's own five minutes fire in the middle of long thinking; the deadlines here are ours.
      timeout: false,
    } as OutgoingRequest)
  } catch (cause) {
    if (signal.aborted) throw cancelled(cause)
    const { host } = new URL(url)
    const name = toldNameOf(host, label ?? 'The upstream')
    if (isLate)
      throw new GatewayError('timeout', `${name} did not answer within ${headersTimeoutMs / 1000} s.`, {
        cause,
        detail: { host },
      })
    if (isOutOfDescriptors(cause)) throw outOfDescriptors(cause).with({ detail: { code: causeCode(cause) } })
    throw isMalformed(cause) ? malformedAnswer(name, host, cause) : unreachable(name, host, cause)
  } finally {
    stop()
  }
}

/**
 * What a client may be told of an address: Z.AI's own are public, while those an operator has set up say something
 * about a private network. The log has them all, as `detail.host`.
 */
export function toldNameOf(host: string, otherwise: string): string {
  return /(?:^|\.)(?:z\.ai|bigmodel\.cn|chatglm\.cn)(?::\d+)?$/.test(host) ? host : otherwise
}

function isOutOfDescriptors(cause: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(causeCode(cause))
}

/** The parser's own refusals have a code, or are named as what they are. */
function isMalformed(cause: unknown): boolean {
  return causeCode(cause).startsWith('HPE_') || (cause instanceof Error && cause.message === 'Parse Error')
}

function malformedAnswer(name: string, host: string, cause: unknown): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `${name} answered with something that is not HTTP as it is spoken here. Check its address, and whatever stands between.`,
    { code: 'upstream_not_http', cause, detail: { code: causeCode(cause), host } },
  )
}

function unreachable(name: string, host: string, cause: unknown): GatewayError {
  const code = causeCode(cause)
  return new GatewayError(
    'upstream-unavailable',
    `${name} could not be reached (${code}). Check the network, the proxy settings and whether it is up.`,
    { cause, detail: { code, host } },
  )
}

/** Bun's `ConnectionRefused`, Node's `ECONNRESET`: short, and free of addresses. */
function causeCode(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.name : 'unknown'
}
