import { GatewayError } from '../core/errors.ts'
import type { McpError } from '../core/mcp.ts'
import { quote, type Redact } from '../core/redact.ts'

/** Codes of JSON-RPC. */
const connectionClosed = -32000
const unreadable = -32700

/** What went wrong with a server, for the client and the model. What the server itself said is quoted without secrets. */
export function failureOf(thrown: unknown, redact: Redact): McpError {
  if (thrown instanceof GatewayError) return { kind: 'protocol', code: connectionClosed, message: thrown.message }
  if (!(thrown instanceof Error)) return malformed
  const code = 'code' in thrown && typeof thrown.code === 'number' ? thrown.code : undefined
  // The prefixes are the SDK's own.
  const said = quote(redact(thrown.message.replace(/^(?:MCP error -?\d+: |Streamable HTTP error: |SSE error: )/, '')))
  if (code === undefined) return malformed
  if (code >= 100) return { kind: 'http', code, message: `it answered with status ${code}: ${said}` }
  return code === -1 ? malformed : { kind: 'protocol', code, message: said }
}

const malformed: McpError = { kind: 'protocol', code: unreadable, message: 'its answer is not a message of MCP.' }

export function tooLate(ms: number, setting: string): McpError {
  return { kind: 'protocol', code: -32001, message: `it did not answer within ${ms / 1000} s (${setting}).` }
}
