import type { Clock } from '../../../core/clock.ts'
import { asGatewayError } from '../../../core/errors.ts'
import { parseJson } from '../../../core/json.ts'
import { type BufferedResponse, readBuffered } from '../../../http-client/buffered-response.ts'
import { type Fetch, type OutgoingRequest, send } from '../../../http-client/send.ts'
import type { Proves } from '../../client-target.ts'

/** The doors a check may use. */
export interface Probes {
  fetch: Fetch
  clock: Clock
  /** The addresses of a name; rejects as `node:dns` does. */
  lookup(host: string): Promise<string[]>
  /** `free`, or the code of what keeps us from listening: `EADDRINUSE`. */
  tryPort(host: string, port: number): Promise<string>
  /** Whether the user's own gateway listens there. */
  proves: Proves
}

/** No single question is waited for longer. */
export const probeTimeoutMs = 5_000

/** A whole answer within the patience. Errors: GatewayError, as every call. */
export async function probe(
  url: string,
  { fetch, clock }: Probes,
  init: OutgoingRequest = {},
): Promise<BufferedResponse> {
  const { signal } = new AbortController()
  const { host } = new URL(url)
  const response = await send(url, init, { fetch, clock, signal, headersTimeoutMs: probeTimeoutMs })
  return readBuffered(response, { clock, signal, timeoutMs: probeTimeoutMs, host })
}

/** The JSON of an answer, `undefined` where it is none. */
export function jsonOf({ text }: BufferedResponse): unknown {
  return parseJson(text)
}

export function reasonOf(thrown: unknown): string {
  return asGatewayError(thrown).message
}

/** Bun's and node's own word for why a connection failed: `ConnectionRefused`. */
export function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'unknown'
  if ('code' in thrown && typeof thrown.code === 'string' && thrown.cause === undefined) return thrown.code
  return thrown.cause === undefined ? thrown.name : codeOf(thrown.cause)
}
