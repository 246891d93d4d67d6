import { outOfDescriptors } from '../async/file-descriptors.ts'
import type { AttemptObserver, ConnectionFacts, ExchangeObserver } from '../core/call-observer.ts'
import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import { onAbort } from '../core/on-abort.ts'
import { type ByteRange, bytesOf, rangeOf } from './byte-range.ts'

/** The only way in which requests leave the gateway; tests replace it. */
export interface Fetch {
  (url: string, init: OutgoingRequest): Promise<HttpResponse>
  /** The gateway's own: it understands `OutgoingRequest.pieces` and `onBreakable`. */
  readonly isOwn?: true
}

export interface OutgoingRequest extends RequestInit {
  /** The bytes of a body, in place of `body`. They are not copied, and must not be changed afterwards. */
  pieces?: readonly Uint8Array[]
  /** Called when the request begins to be written, which a connection that cannot be opened prevents. */
  onSent?: (() => void) | undefined
  /**
   * Receives a function that breaks off the request, as `signal` does. A signal for this one reason, which follows the
   * other, would take 1 % of a short request.
   */
  onBreakable?: ((breakOff: () => void) => void) | undefined
  /** Must not be changed afterwards: the encoded headers are cached per object and reused for later requests. */
  headers?: Readonly<Record<string, string>>
}

/** The parts of a `Response` that are used here. */
export interface HttpResponse {
  readonly status: number
  readonly ok: boolean
  /** `get` expects lower-case names. */
  readonly headers: Pick<Headers, 'get'> & { entries?(): Iterable<[string, string]> }
  readonly body: ReadableStream<Uint8Array> | ByteStream | null
  /** What is known of the connection that the request went out on. */
  readonly connection?: ConnectionFacts
  text(): Promise<string>
}

/** A body, read piece by piece. */
export interface ByteStream {
  /**
   * Requests the next piece. `onRange` is called once, possibly before `next` returns. At the end of the body it gets
   * `undefined`, and the failure if one ended it.
   */
  next(onRange: (range: ByteRange | undefined, failure?: { cause: unknown }) => void): void
  /** Closes the connection. A pending `next` then gets the end. */
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
    cancel: () => void reader.cancel().catch(() => {}), // the body may have failed already, and nobody waits for it
  }
}

/** The next piece; `undefined` at the end. Rejects if the body broke off. */
export function readBytes(stream: ByteStream): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) =>
    stream.next((range, failure) => (failure ? reject(failure.cause) : resolve(range && bytesOf(range)))),
  )
}

/** Longest body that is read as a whole, in bytes: an error, a list of models, the record of a chat. */
const maxTextBytes = 16 * 1024 * 1024

/** A whole body as text. Rejects if it broke off or is too long. */
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
  /** Name of the upstream for errors, if its host must not be shown: the name an operator gave it. */
  label?: string
  fetch: Fetch
  clock: Clock
  signal: AbortSignal
  /** From sending the request to the response headers. */
  headersTimeoutMs: number
  observer?: AttemptObserver | undefined
  /** Called when the request begins to be written; for a transport that does not report it, when it was answered. */
  onSent?: (() => void) | undefined
}

/**
 * Sends one request and waits for the response headers.
 *
 * Errors: `cancelled` if `signal` fired, `timeout` if the headers took too long, `upstream-unavailable` if the
 * connection failed, `upstream-malformed` if the response is not HTTP. An HTTP error status is not an error here: the
 * caller knows what it means.
 */
export async function send(url: string, init: OutgoingRequest, options: SendOptions): Promise<HttpResponse> {
  const { label, fetch, clock, signal, headersTimeoutMs, observer, onSent } = options
  let breakOff = () => {}
  let isLate = false
  const stop = clock.after(headersTimeoutMs, () => {
    isLate = true
    breakOff()
  })
  try {
    observer?.exchange?.sent(sentBy(url, init))
    const open = fetch.isOwn ? fetch : breakable(fetch)
    const response = await open(url, {
      ...init,
      onSent,
      onBreakable(given) {
        breakOff = given
      },
      // It also closes the connection while the body is read.
      signal,
      // An upstream must not decide where prompts and keys are sent. A redirect is returned like any other response.
      redirect: 'manual',
      // Bun's own limit of five minutes would end long reasoning; the gateway has its own deadlines.
      timeout: false,
    } as OutgoingRequest)
    onSent?.()
    observer?.answered(response.status, response.connection)
    return observer?.exchange ? observed(response, observer.exchange) : response
  } catch (cause) {
    if (signal.aborted) throw cancelled(cause)
    const { host } = new URL(url)
    const name = publicNameOf(host, label ?? 'The upstream')
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

/** A `fetch` that understands `onBreakable`. */
export function breakable(fetch: Fetch): Fetch {
  return (url, { onBreakable, signal, ...init }) => {
    const connection = new AbortController()
    const breakOff = () => connection.abort()
    if (signal?.aborted) breakOff()
    else if (signal) onAbort(signal, breakOff)
    onBreakable?.(breakOff)
    return fetch(url, { ...init, signal: connection.signal })
  }
}

/** A request as an observer sees it. A form, which only uploads have, is told by its kind. */
function sentBy(url: string, { method = 'GET', headers = {}, body, pieces }: OutgoingRequest): SentRequest {
  const whole = pieces ? Buffer.concat(pieces) : body
  const isKept = typeof whole === 'string' || whole instanceof Uint8Array
  return { method, url, headers: Object.entries(headers), body: isKept ? whole : undefined }
}

type SentRequest = Parameters<ExchangeObserver['sent']>[0]

/** The response, of which the observer sees every byte that is read. */
function observed(response: HttpResponse, exchange: ExchangeObserver): HttpResponse {
  const { status, ok, headers, connection } = response
  exchange.answered({ status, headers: [...(headers.entries?.() ?? [])] })
  if (response.body === null) return response
  const body = observedStream(byteStreamOf(response.body), exchange)
  return { status, ok, headers, body, text: () => textOf(body), ...(connection ? { connection } : {}) }
}

function observedStream(stream: ByteStream, exchange: ExchangeObserver): ByteStream {
  let waiting: Parameters<ByteStream['next']>[0] = () => {}
  const onRange: typeof waiting = (range, failure) => {
    if (range) exchange.received(range)
    waiting(range, failure)
  }
  return {
    next(receive) {
      waiting = receive
      stream.next(onRange)
    },
    cancel: stream.cancel,
  }
}

/**
 * The name of a host that a client may see. Hosts of Z.AI are public; others, which an operator has configured, may
 * reveal a private network and become `otherwise`. The log has every host, as `detail.host`.
 */
export function publicNameOf(host: string, otherwise: string): string {
  return /(?:^|\.)(?:z\.ai|bigmodel\.cn|chatglm\.cn)(?::\d+)?$/.test(host) ? host : otherwise
}

function isOutOfDescriptors(cause: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(causeCode(cause))
}

/** The parser's errors have an `HPE_` code, or the message `Parse Error`. */
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

/** Bun's `ConnectionRefused`, Node's `ECONNRESET`: short, and without addresses. */
function causeCode(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.name : 'unknown'
}
