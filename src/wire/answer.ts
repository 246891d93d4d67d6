import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { cancelled, type HttpResponse } from './http.ts'

/** A whole answer, whatever its status. */
export interface Answer {
  status: number
  ok: boolean
  headers: Headers
  text: string
}

export interface AnswerOptions {
  clock: Clock
  signal: AbortSignal
  /** For the whole body. */
  timeoutMs: number
  /** Who answers, for the error's message: `api.z.ai`. */
  host: string
}

/**
 * Reads the body of a response to its end.
 *
 * Errors: `cancelled` when `signal` fired, `timeout` when the body took too long, `upstream-unavailable` when the
 * connection broke.
 */
export async function readAnswer(response: HttpResponse, options: AnswerOptions): Promise<Answer> {
  const { clock, signal, timeoutMs, host } = options
  const { status, ok, headers } = response
  const deadline = Promise.withResolvers<never>()
  const stop = clock.after(timeoutMs, () =>
    deadline.reject(new GatewayError('timeout', `${host} did not finish its answer within ${timeoutMs / 1000} s.`)),
  )
  const leave = () => deadline.reject(cancelled())
  signal.addEventListener('abort', leave)
  if (signal.aborted) leave()
  const text = response.text()
  try {
    return { status, ok, headers, text: await Promise.race([deadline.promise, text]) }
  } catch (cause) {
    text.catch(() => {}) // given up: how it ends is nobody's business
    if (signal.aborted) throw cancelled()
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('upstream-unavailable', `The connection to ${host} broke before its answer was complete.`, {
      cause,
    })
  } finally {
    stop()
    signal.removeEventListener('abort', leave)
  }
}
