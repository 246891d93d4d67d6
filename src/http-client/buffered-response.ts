import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import { byteStreamOf, type HttpResponse, publicNameOf, textOf } from './send.ts'

/** A whole response, whatever its status. */
export interface BufferedResponse {
  status: number
  ok: boolean
  headers: HttpResponse['headers']
  text: string
}

export interface BufferedResponseOptions {
  clock: Clock
  signal: AbortSignal
  /** For the whole body. */
  timeoutMs: number
  /** Host of the upstream, for errors: `api.z.ai`. */
  host: string
  /** As in `SendOptions`. */
  label?: string
}

/**
 * Reads the body of a response to its end.
 *
 * Errors: `cancelled` if `signal` fired, `timeout` if the body took too long, `upstream-unavailable` if the connection
 * broke.
 */
export async function readBuffered(
  response: HttpResponse,
  options: BufferedResponseOptions,
): Promise<BufferedResponse> {
  const { clock, signal, timeoutMs, host, label } = options
  const { status, ok, headers, body } = response
  const stream = body ? byteStreamOf(body) : undefined
  let isLate = false
  const onAbort = () => stream?.cancel()
  const stop = clock.after(timeoutMs, () => {
    isLate = true
    onAbort()
  })
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    const text = stream ? await textOf(stream) : ''
    if (signal.aborted) throw cancelled()
    if (isLate)
      throw new GatewayError(
        'timeout',
        `${publicNameOf(host, label ?? 'The upstream')} did not finish its answer within ${timeoutMs / 1000} s.`,
        {
          detail: { host },
        },
      )
    return { status, ok, headers, text }
  } catch (cause) {
    if (signal.aborted) throw cancelled()
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError(
      'upstream-unavailable',
      `The connection to ${publicNameOf(host, label ?? 'the upstream')} broke before its answer was complete.`,
      {
        cause,
        detail: { host },
      },
    )
  } finally {
    stop()
    signal.removeEventListener('abort', onAbort)
  }
}
