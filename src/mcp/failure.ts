import { GatewayError } from '../core/errors.ts'
import type { McpError } from '../core/mcp.ts'
import { quote, type Redact } from '../core/redact.ts'

/** Codes of JSON-RPC. */
const connectionClosed = -32000
const unreadable = -32700

/** The prefix that the SDK adds to a message of the server. */
const sdkPrefix = /^(?:Error POSTing to endpoint(?: \(HTTP \d+\))?:|Failed to open SSE stream:|SSE error:) ?/

/** The number of characters of a server's message that are searched for secrets. Far fewer are quoted. */
const longestRead = 20_000

/** The failure of a server, for the client and the model. A message of the server is quoted without secrets. */
export function failureOf(thrown: unknown, redact: Redact): McpError {
  if (thrown instanceof GatewayError) return { kind: 'protocol', code: connectionClosed, message: thrown.message }
  if (!(thrown instanceof Error)) return malformed
  const quoted = quote(redact(thrown.message.replace(sdkPrefix, '').slice(0, longestRead)))
  const status = statusOf(thrown)
  const words = quoted === '' ? '.' : `: ${quoted}`
  if (status !== undefined) return { kind: 'http', code: status, message: `it answered with status ${status}${words}` }
  // JSON-RPC errors have a number as their code. Errors of the SDK itself have a text or nothing.
  return 'code' in thrown && typeof thrown.code === 'number'
    ? { kind: 'protocol', code: thrown.code, message: quoted }
    : malformed
}

/**
 * The status of an HTTP response that the SDK could not use. It is not read from the gateway's own errors, whose status
 * is for the client.
 */
export function statusOf(thrown: unknown): number | undefined {
  if (thrown instanceof GatewayError) return undefined
  return thrown instanceof Error && 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : undefined
}

const malformed: McpError = { kind: 'protocol', code: unreadable, message: 'its answer is not a message of MCP.' }
