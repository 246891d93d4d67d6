import type { ErrorKind, GatewayError } from '../../core/errors.ts'

/**
 * https://platform.openai.com/docs/guides/error-codes, the same in all of OpenAI's APIs. A code is given where clients
 * look for exactly that word.
 */
const errorTypes: Record<ErrorKind, { type: string; code?: string }> = {
  'invalid-request': { type: 'invalid_request_error' },
  'content-filtered': { type: 'invalid_request_error', code: 'content_filter' },
  // Agents compact the conversation on this code instead of resending it.
  'context-overflow': { type: 'invalid_request_error', code: 'context_length_exceeded' },
  unauthorized: { type: 'authentication_error' },
  'quota-exhausted': { type: 'insufficient_quota' },
  forbidden: { type: 'permission_error' },
  'upstream-auth': { type: 'permission_error' },
  'upstream-blocked': { type: 'permission_error' },
  'not-found': { type: 'not_found_error' },
  'too-large': { type: 'invalid_request_error' },
  'rate-limited': { type: 'rate_limit_error' },
  cancelled: { type: 'api_error' },
  internal: { type: 'server_error' },
  'upstream-unavailable': { type: 'api_error' },
  'upstream-malformed': { type: 'api_error' },
  'upstream-truncated': { type: 'api_error' },
  overloaded: { type: 'server_error' },
  timeout: { type: 'timeout_error' },
}

export function encodeError(error: GatewayError): { status: number; body: object } {
  return { status: error.status, body: errorBody(error) }
}

/** The same shape before the first byte and inside a stream. */
export function errorBody(error: GatewayError): object {
  const { type, code = error.code } = errorTypes[error.kind]
  return { error: { message: error.message, type, param: error.param ?? null, code } }
}
