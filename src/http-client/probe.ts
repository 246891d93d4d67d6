import type { Clock } from '../core/clock.ts'
import { asGatewayError } from '../core/errors.ts'
import { parseJson } from '../core/json.ts'
import { type BufferedResponse, readBuffered } from './buffered-response.ts'
import { type Fetch, type OutgoingRequest, send } from './send.ts'

/** How a check reaches the network. */
export interface ProbeOptions {
  fetch: Fetch
  clock: Clock
}

/** The longest time that a check waits for one response or name. */
export const probeTimeoutMs = 5_000

/** Sends one request and reads the whole response within the timeout. Errors: GatewayError. */
export async function probe(
  url: string,
  { fetch, clock }: ProbeOptions,
  init: OutgoingRequest = {},
): Promise<BufferedResponse> {
  const { signal } = new AbortController()
  const { host } = new URL(url)
  const response = await send(url, init, { fetch, clock, signal, headersTimeoutMs: probeTimeoutMs })
  return readBuffered(response, { clock, signal, timeoutMs: probeTimeoutMs, host })
}

/** The parsed body of a response; `undefined` if it is not JSON. */
export function jsonOf({ text }: BufferedResponse): unknown {
  return parseJson(text)
}

export function reasonOf(thrown: unknown): string {
  return asGatewayError(thrown).message
}

/** The error code of Bun or Node for a failed connection: `ConnectionRefused`. */
export function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'unknown'
  if ('code' in thrown && typeof thrown.code === 'string' && thrown.cause === undefined) return thrown.code
  return thrown.cause === undefined ? thrown.name : codeOf(thrown.cause)
}
