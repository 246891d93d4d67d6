import { GatewayError } from '../core/errors.ts'
import type { McpError } from '../core/mcp.ts'
import { quote, type Redact } from '../core/redact.ts'

/** Codes of JSON-RPC. */
const connectionClosed = -32000
const unreadable = -32700

/** What the SDK puts in front of a server's words. */
const sdkPrefix = /^(?:Error POSTing to endpoint(?: \(HTTP \d+\))?:|Failed to open SSE stream:|SSE error:) ?/

/** Characters of a server's words in which secrets are looked for. Far fewer are quoted. */
const longestRead = 20_000

/** What went wrong with a server, for the client and the model. What the server itself said is quoted without secrets. */
export function failureOf(thrown: unknown, redact: Redact): McpError {
  if (thrown instanceof GatewayError) return { kind: 'protocol', code: connectionClosed, message: thrown.message }
  if (!(thrown instanceof Error)) return malformed
  const quoted = quote(redact(thrown.message.replace(sdkPrefix, '').slice(0, longestRead)))
  const status = statusOf(thrown)
  const words = quoted === '' ? '.' : `: ${quoted}`
  if (status !== undefined) return { kind: 'http', code: status, message: `it answered with status ${status}${words}` }
  // Errors of JSON-RPC have numbers; those that the SDK finds itself have words, or nothing.
  return 'code' in thrown && typeof thrown.code === 'number'
    ? { kind: 'protocol', code: thrown.code, message: quoted }
    : malformed
}

/** The status of an HTTP response that the SDK could not use. The gateway's own errors have a status for the client. */
export function statusOf(thrown: unknown): number | undefined {
  if (thrown instanceof GatewayError) return undefined
  return thrown instanceof Error && 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : undefined
}

const malformed: McpError = { kind: 'protocol', code: unreadable, message: 'its answer is not a message of MCP.' }
