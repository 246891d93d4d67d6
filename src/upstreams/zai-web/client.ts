import type { Clock } from '../../core/clock.ts'
import { readBuffered } from '../../http-client/buffered-response.ts'
import { type Fetch, type HttpResponse, send } from '../../http-client/send.ts'

/** The one door to the site: its address, the headers every call carries, and the deadlines. */
export interface WebClient {
  origin: string
  /** Sends and waits for the headers; for answers that stream. */
  open(path: string, call: WebRequest): Promise<HttpResponse>
  /** Sends and waits for the whole answer, whatever its status. */
  ask(path: string, call: WebRequest): Promise<WebResponse>
  /** The body of an opened answer that turned out not to stream. */
  read(response: HttpResponse, signal: AbortSignal): Promise<WebResponse>
}

export interface WebRequest {
  method?: 'POST' | 'DELETE'
  token?: string
  /** `prod-fe-1.1.98`; only the page that tells the version is asked without one. */
  version?: string
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  body?: FormData | object
  signal: AbortSignal
  /** Shortens the usual deadline for calls nobody should wait long for. */
  timeoutMs?: number
}

export interface WebResponse {
  status: number
  ok: boolean
  contentType: string
  text: string
}

export interface WebClientOptions {
  /** `https://chat.z.ai`, without a slash at the end. */
  baseUrl: string
  fetch: Fetch
  clock: Clock
  headersTimeoutMs: number
}

/**
 * Errors of every call: `cancelled`, `timeout`, `upstream-unavailable`; none of them holds the URL, whose query
 * carries the token.
 */
export function webClient({ baseUrl, fetch, clock, headersTimeoutMs }: WebClientOptions): WebClient {
  return { origin: baseUrl, open, ask, read }

  async function open(path: string, call: WebRequest): Promise<HttpResponse> {
    try {
      return await send(
        `${baseUrl}${path}`,
        { method: call.method ?? 'GET', headers: headersOf(call), ...bodyOf(call) },
        { fetch, clock, signal: call.signal, headersTimeoutMs: call.timeoutMs ?? headersTimeoutMs },
      )
    } catch (thrown) {
      throw redactUrls(thrown)
    }
  }

  async function ask(path: string, call: WebRequest): Promise<WebResponse> {
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
      'user-agent': 'zai2api',
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

/** Bun writes the whole URL into a failed fetch as `path`, and errors end up in logs. */
export function redactUrls(thrown: unknown): unknown {
  for (let error = thrown; error instanceof Error; error = error.cause)
    if ('path' in error) Reflect.set(error, 'path', 'not told') // it can be written, not deleted
  return thrown
}
