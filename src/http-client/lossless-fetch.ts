import { systemClock } from '../async/system-clock.ts'
import type { Clock } from '../core/clock.ts'
import { onAbort } from '../core/on-abort.ts'
import { type BodySink, bodyBuffer } from './body-buffer.ts'
import { createConnections } from './connections.ts'
import { decompressed, encodings } from './decompress.ts'
import type { Lookup } from './dns.ts'
import { rawValues } from './raw-headers.ts'
import { type ByteStream, breakable, type Fetch, type HttpResponse, type OutgoingRequest, textOf } from './send.ts'

/**
 * `fetch` that loses no byte of a response. A POST of text or bytes uses the gateway's own sockets; all other requests
 * use `fetch`.
 *
 * When a connection breaks, Bun's `fetch` discards what it has received and not delivered yet, which may be a whole
 * burst of events. It also runs at most 256 requests at a time, and passes each event through a second thread. This one
 * delivers every byte first, has no limit, and costs about a fifth less per event. Redirects are not followed: a POST
 * must not be sent to another address.
 */
export function losslessFetch(fetch: Fetch, lookup: Lookup, clock: Clock = systemClock): Fetch {
  const connections = createConnections(lookup, clock)
  const fetchOthers = breakable(fetch)
  // Most requests go to one address, and many of them with the same headers object.
  let last: { url: string; to: URL; heads: WeakMap<object, string> } | undefined
  return Object.assign(fetchLossless, { isOwn: true } as const)

  function fetchLossless(url: string, init: OutgoingRequest): Promise<HttpResponse> {
    const { body, pieces } = init
    if (pieces) return post(url, init, pieces)
    const isOurs = init.method === 'POST' && (typeof body === 'string' || body instanceof Uint8Array)
    return isOurs ? post(url, init, body) : fetchOthers(url, init)
  }

  function post(
    url: string,
    { headers = {}, signal, onSent, onBreakable }: OutgoingRequest,
    body: string | Uint8Array | readonly Uint8Array[],
  ): Promise<HttpResponse> {
    if (last?.url !== url) last = { url, to: new URL(url), heads: new WeakMap() }
    const { to, heads } = last
    const known = heads.get(headers)
    const head = known ?? headOf(to, headers)
    if (known === undefined) heads.set(headers, head)
    const exchange = Promise.withResolvers<HttpResponse>()
    let sink: BodySink | undefined
    let stopListening = () => {}
    const fail = (cause: unknown) => {
      stopListening()
      exchange.reject(cause)
      sink?.fail(cause)
    }
    if (signal?.aborted) {
      fail(aborted())
      return exchange.promise
    }
    const flow = connections.request(to, requestPieces(head, body), {
      sent: onSent,
      head(status, raw, connection) {
        const headers = headersOf(raw)
        const buffer = bodyBuffer(flow)
        const body = decompressed(headers.get('content-encoding'), buffer.sink) ?? buffer.sink
        sink = body
        exchange.resolve({ ...responseOf(status, headers, buffer.stream), connection })
        const end = () => {
          stopListening()
          body.end()
        }
        return { push: body.push, end, fail }
      },
      fail,
    })
    if (signal) stopListening = onAbort(signal, abort)
    onBreakable?.(abort)
    return exchange.promise

    function abort(): void {
      fail(aborted())
      flow.close()
    }
  }
}

/** Bun's `fetch`, which does not report when a request is written. It counts as written at once. */
export function plainFetch(fetch: Fetch): Fetch {
  return (url, init) => {
    init.onSent?.()
    return fetch(url, init)
  }
}

/**
 * A text is written behind the head, into one buffer of the right size: to join them first would copy it once more. Bytes
 * are not copied, because they may be many.
 */
function requestPieces(head: string, body: string | Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  if (typeof body !== 'string') {
    const pieces = body instanceof Uint8Array ? [body] : body
    const size = pieces.reduce((sum, { length }) => sum + length, 0)
    return [Buffer.from(`${head}content-length: ${size}\r\n\r\n`), ...pieces]
  }
  const size = Buffer.byteLength(body)
  const wholeHead = `${head}content-length: ${size}\r\n\r\n`
  const headSize = Buffer.byteLength(wholeHead)
  const bytes = Buffer.allocUnsafe(headSize + size)
  bytes.write(wholeHead)
  bytes.write(body, headSize)
  return [bytes]
}

/** The request head up to the content length. Errors: TypeError for a header that would not stay on its line. */
function headOf(to: URL, headers: Readonly<Record<string, string>>): string {
  let head = `POST ${to.pathname}${to.search} HTTP/1.1\r\nhost: ${to.host}\r\n`
  for (const [name, value] of Object.entries(headers)) {
    if (reserved.has(name.toLowerCase())) continue
    if (!token.test(name)) throw new TypeError(`${JSON.stringify(name)} cannot be the name of a header.`)
    // The value is not shown, because it may be a secret.
    if (illegalInValue.test(value)) throw new TypeError(`The header ${name} has a value that no header can have.`)
    head += `${name}: ${value}\r\n`
  }
  return `${head}accept-encoding: ${encodings}\r\n`
}

/** Headers that callers cannot set. */
const reserved = new Set(['host', 'accept-encoding', 'content-length'])
/** A header name (RFC 9110, 5.1). */
const token = /^[\w!#$%&'*+.^`|~-]+$/
/** Characters that no header value may contain (RFC 9110, 5.5). */
const illegalInValue = /[^\t\x20-\x7e\x80-\xff]/

/** Finds headers by lower-case names. Repeated headers are joined as a list. */
function headersOf(raw: readonly string[]): HttpResponse['headers'] {
  return {
    get(name) {
      const values = rawValues(raw, name)
      return values.length === 0 ? null : values.join(', ')
    },
    entries: () => raw.flatMap((value, at) => (at % 2 === 0 ? [] : [[raw[at - 1] ?? '', value] as [string, string]])),
  }
}

const withoutBody = [204, 205, 304]

function responseOf(status: number, headers: HttpResponse['headers'], body: ByteStream): HttpResponse {
  return {
    status,
    ok: status >= 200 && status <= 299,
    headers,
    body: withoutBody.includes(status) ? null : body,
    text: () => textOf(body),
  }
}

function aborted(): DOMException {
  return new DOMException('The request was aborted.', 'AbortError')
}
