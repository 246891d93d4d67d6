import type { Clock } from '../../core/clock.ts'
import { type BufferedResponse, readBuffered } from '../../http-client/buffered-response.ts'
import { type Fetch, type HttpResponse, type OutgoingRequest, send } from '../../http-client/send.ts'

/** An API of one vendor: its address, the headers every call carries, and the deadlines. */
export interface ApiClient {
  /** `api.z.ai` */
  host: string
  /** Sends and waits for the headers; for answers that stream. */
  open(path: string, call: ClientCall): Promise<HttpResponse>
  /** Sends and waits for the whole answer, whatever its status. */
  ask(path: string, call: ClientCall): Promise<BufferedResponse>
  /** The body of an opened answer that turned out not to stream. */
  read(response: HttpResponse, signal: AbortSignal): Promise<BufferedResponse>
}

export interface ClientCall {
  /** '' where the server asks for none. */
  key: string
  /** Makes it a POST. */
  body?: object
  signal: AbortSignal
}

export interface ClientOptions {
  /** Who answers, in errors. */
  label: string
  /** Without a slash at the end. */
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
  // One object for each key: the transport need not look at the same headers again and again.
  const known = new Map<string, OutgoingRequest['headers']>()
  return { host, open, ask, read }

  function open(path: string, { key, body, signal }: ClientCall): Promise<HttpResponse> {
    const init =
      body === undefined
        ? { method: 'GET', headers: { ...headersOf(key), accept: 'application/json' } }
        : { method: 'POST', headers: postHeaders(key), body: JSON.stringify(body) }
    return send(`${baseUrl}${path}`, init, { label, fetch, clock, signal, headersTimeoutMs })
  }

  function postHeaders(key: string): OutgoingRequest['headers'] {
    const sent = known.get(key)
    if (sent) return sent
    const headers = { ...headersOf(key), accept: 'text/event-stream', 'content-type': 'application/json' }
    known.set(key, headers)
    return headers
  }

  async function ask(path: string, call: ClientCall): Promise<BufferedResponse> {
    return read(await open(path, call), call.signal)
  }

  function read(response: HttpResponse, signal: AbortSignal): Promise<BufferedResponse> {
    return readBuffered(response, { clock, signal, timeoutMs: headersTimeoutMs, host, label })
  }
}
