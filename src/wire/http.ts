import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'

/** The one outgoing door: tests put a scripted one in its place. */
export type Fetch = (url: string, init: RequestInit) => Promise<HttpResponse>

/** As much of a `Response` as is read here. */
export interface HttpResponse {
  readonly status: number
  readonly ok: boolean
  readonly headers: Headers
  readonly body: Body | null
  text(): Promise<string>
}

export interface Body {
  getReader(): BodyReader
}

export interface BodyReader {
  /** Rejects where the body broke off, once all before it was read. */
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

export interface SendOptions {
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
export async function send(url: string, init: RequestInit, options: SendOptions): Promise<HttpResponse> {
  const { fetch, clock, signal, headersTimeoutMs } = options
  const host = new URL(url).host
  const deadline = new AbortController()
  const stop = clock.after(headersTimeoutMs, () => deadline.abort())
  try {
    return await fetch(url, {
      ...init,
      signal: AbortSignal.any([signal, deadline.signal]),
      // Bun's own five minutes fire in the middle of long thinking; the deadlines here are ours.
      timeout: false,
    } as RequestInit)
  } catch (cause) {
    if (signal.aborted) throw cancelled(cause)
    if (deadline.signal.aborted)
      throw new GatewayError('timeout', `${host} did not answer within ${headersTimeoutMs / 1000} s.`, { cause })
    throw unreachable(host, cause)
  } finally {
    stop()
  }
}

export function cancelled(cause?: unknown): GatewayError {
  return new GatewayError('cancelled', 'The client closed the request.', { cause })
}

function unreachable(host: string, cause: unknown): GatewayError {
  const code = causeCode(cause)
  return new GatewayError(
    'upstream-unavailable',
    `${host} could not be reached (${code}). Check the network, the proxy settings and whether ${host} is up.`,
    { cause, detail: { code } },
  )
}

/** Bun's `ConnectionRefused`, Node's `ECONNRESET`: short, and free of addresses. */
function causeCode(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.name : 'unknown'
}
