import type { Clock } from '../../core/clock.ts'
import { type Answer, readAnswer } from '../../wire/answer.ts'
import { type Fetch, type HttpResponse, send } from '../../wire/http.ts'

/** The one door to the API: its address, the headers every call carries, and the deadlines. */
export interface Api {
  /** `api.z.ai` */
  host: string
  /** Sends and waits for the headers; for answers that stream. */
  open(path: string, call: ApiCall): Promise<HttpResponse>
  /** Sends and waits for the whole answer, whatever its status. */
  ask(path: string, call: ApiCall): Promise<Answer>
  /** The body of an opened answer that turned out not to stream. */
  read(response: HttpResponse, signal: AbortSignal): Promise<Answer>
}

export interface ApiCall {
  key: string
  /** Makes it a POST. */
  body?: object
  signal: AbortSignal
}

export interface ApiOptions {
  /** Without a slash at the end. */
  baseUrl: string
  fetch: Fetch
  clock: Clock
  headersTimeoutMs: number
}

/** Errors of every call: `cancelled`, `timeout`, `upstream-unavailable`. */
export function api({ baseUrl, fetch, clock, headersTimeoutMs }: ApiOptions): Api {
  const { host } = new URL(baseUrl)
  return { host, open, ask, read }

  function open(path: string, { key, body, signal }: ApiCall): Promise<HttpResponse> {
    const init = {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        accept: body === undefined ? 'application/json' : 'text/event-stream',
        // The language of its error messages.
        'accept-language': 'en-US,en',
        'user-agent': 'zai2api',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }
    return send(`${baseUrl}${path}`, init, { fetch, clock, signal, headersTimeoutMs })
  }

  async function ask(path: string, call: ApiCall): Promise<Answer> {
    return read(await open(path, call), call.signal)
  }

  function read(response: HttpResponse, signal: AbortSignal): Promise<Answer> {
    return readAnswer(response, { clock, signal, timeoutMs: headersTimeoutMs, host })
  }
}
