import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import { readBuffered } from '../../http-client/buffered-response.ts'
import { type Fetch, type HttpResponse, send } from '../../http-client/send.ts'
import { userAgent } from '../../http-client/user-agent.ts'

/** The HTTP client for the site, with its base URL, headers and deadlines. */
export interface WebClient {
  origin: string
  /** Sends a request and waits for the headers; for responses that stream. */
  open(path: string, call: WebRequest): Promise<HttpResponse>
  /** Sends a request and reads the whole response, whatever its status. */
  fetchWhole(path: string, call: WebRequest): Promise<WebResponse>
  /** Reads the body of an opened response that turned out not to stream. */
  read(response: HttpResponse, signal: AbortSignal): Promise<WebResponse>
}

export interface WebRequest {
  method?: 'POST' | 'DELETE'
  token?: string
  /** `prod-fe-1.1.98`. Only the request for the page that shows the version is sent without one. */
  version?: string
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  body?: FormData | object
  signal: AbortSignal
  observer?: AttemptObserver | undefined
  /** Called once the request is on its way. */
  onSent?: (() => void) | undefined
  /** Shorter than the usual deadline, for calls that must not delay a request. */
  timeoutMs?: number
}

export interface WebResponse {
  status: number
  ok: boolean
  contentType: string
  text: string
}

export interface WebClientOptions {
  /** `https://chat.z.ai`, without a trailing slash. */
  baseUrl: string
  fetch: Fetch
  clock: Clock
  headersTimeoutMs: number
}

/**
 * Errors of every call: `cancelled`, `timeout`, `upstream-unavailable`. No error holds the URL, because its query
 * carries the token.
 */
export function webClient({ baseUrl, fetch, clock, headersTimeoutMs }: WebClientOptions): WebClient {
  return { origin: baseUrl, open, fetchWhole, read }

  async function open(path: string, call: WebRequest): Promise<HttpResponse> {
    try {
      return await send(
        `${baseUrl}${path}`,
        { method: call.method ?? 'GET', headers: headersOf(call), ...bodyOf(call) },
        {
          fetch,
          clock,
          ...{ signal: call.signal, observer: call.observer, onSent: call.onSent },
          headersTimeoutMs: call.timeoutMs ?? headersTimeoutMs,
        },
      )
    } catch (thrown) {
      throw redactUrls(thrown)
    }
  }

  async function fetchWhole(path: string, call: WebRequest): Promise<WebResponse> {
    return read(await open(path, call), call.signal)
  }

  async function read(response: HttpResponse, signal: AbortSignal): Promise<WebResponse> {
    const { host } = new URL(baseUrl)
    const reading = readBuffered(response, { clock, signal, timeoutMs: headersTimeoutMs, host })
    const { status, ok, headers, text } = await reading.catch((thrown: unknown) => {
      throw redactUrls(thrown)
    })
    return { status, ok, contentType: headers.get('content-type') ?? '', text }
  }

  function headersOf(call: WebRequest): Record<string, string> {
    return {
      accept: '*/*',
      'accept-language': 'en-US',
      'user-agent': userAgent,
      origin: baseUrl,
      referer: `${baseUrl}/`,
      ...(call.version === undefined ? {} : { 'x-fe-version': call.version }),
      ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
      ...(call.body === undefined || call.body instanceof FormData ? {} : { 'content-type': 'application/json' }),
      ...call.headers,
    }
  }
}

function bodyOf({ body }: WebRequest): { body?: FormData | string } {
  if (body === undefined) return {}
  return { body: body instanceof FormData ? body : JSON.stringify(body) }
}

/** Removes the URL that Bun stores as `path` in the error of a failed fetch, because errors are logged. */
export function redactUrls(thrown: unknown): unknown {
  for (let error = thrown; error instanceof Error; error = error.cause)
    if ('path' in error) Reflect.set(error, 'path', 'not told') // the property can be written, but not deleted
  return thrown
}
