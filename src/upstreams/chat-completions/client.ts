import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import { type BufferedResponse, readBuffered } from '../../http-client/buffered-response.ts'
import { type Fetch, type HttpResponse, type OutgoingRequest, send } from '../../http-client/send.ts'

/** An HTTP client for one vendor's API, with its base URL, headers and deadlines. */
export interface ApiClient {
  /** `api.z.ai` */
  host: string
  /** Sends a request and waits for the headers; for responses that stream. */
  open(path: string, call: ClientCall): Promise<HttpResponse>
  /** Sends a request and reads the whole response, whatever its status. */
  fetchWhole(path: string, call: ClientCall): Promise<BufferedResponse>
  /** Reads the body of an opened response that turned out not to stream. */
  read(response: HttpResponse, signal: AbortSignal): Promise<BufferedResponse>
}

export interface ClientCall {
  /** '' if the server needs none. */
  key: string
  /** JSON, or the bytes of it, or pieces of these. If present, the request is a POST. */
  body?: string | Uint8Array<ArrayBuffer> | readonly Uint8Array[]
  signal: AbortSignal
  observer?: AttemptObserver | undefined
  /** Called once the request is on its way. */
  onSent?: () => void
}

export interface ClientOptions {
  /** Name of the server, for errors. */
  label: string
  /** Without a trailing slash. */
  baseUrl: string
  headers: (key: string) => Record<string, string>
  fetch: Fetch
  clock: Clock
  headersTimeoutMs: number
}

/** Errors of every call: `cancelled`, `timeout`, `upstream-unavailable`. */
export function apiClient(options: ClientOptions): ApiClient {
  const { label, baseUrl, headers: headersOf, fetch, clock, headersTimeoutMs } = options
  const { host } = new URL(baseUrl)
  // One headers object per key and kind of response, so that the transport can skip headers that it has already checked.
  const known = new Map<string, OutgoingRequest['headers']>()
  return { host, open: (path, call) => open(path, call), fetchWhole, read }

  function open(path: string, call: ClientCall, accept = 'text/event-stream'): Promise<HttpResponse> {
    const { key, body, signal, observer, onSent } = call
    const init =
      body === undefined
        ? { method: 'GET', headers: { ...headersOf(key), accept: 'application/json' } }
        : { method: 'POST', headers: postHeaders(key, accept), ...bodyOf(body) }
    return send(`${baseUrl}${path}`, init, { label, fetch, clock, signal, headersTimeoutMs, observer, onSent })
  }

  function bodyOf(body: NonNullable<ClientCall['body']>): Pick<OutgoingRequest, 'body' | 'pieces'> {
    if (typeof body === 'string' || body instanceof Uint8Array) return { body }
    return fetch.isOwn ? { pieces: body } : { body: Buffer.concat(body) }
  }

  function postHeaders(key: string, accept: string): OutgoingRequest['headers'] {
    const sent = known.get(`${accept} ${key}`)
    if (sent) return sent
    const headers = { ...headersOf(key), accept, 'content-type': 'application/json' }
    known.set(`${accept} ${key}`, headers)
    return headers
  }

  async function fetchWhole(path: string, call: ClientCall): Promise<BufferedResponse> {
    return read(await open(path, call, 'application/json'), call.signal)
  }

  function read(response: HttpResponse, signal: AbortSignal): Promise<BufferedResponse> {
    return readBuffered(response, { clock, signal, timeoutMs: headersTimeoutMs, host, label })
  }
}
