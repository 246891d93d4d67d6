import { type ErrorKind, type GatewayError, withFieldNames } from '../../core/errors.ts'

/** https://docs.anthropic.com/en/api/errors; a status is given where it differs from that of the kind. */
const errorTypes: Record<ErrorKind, { type: string; status?: number }> = {
  'invalid-request': { type: 'invalid_request_error' },
  'content-filtered': { type: 'invalid_request_error' },
  // Claude Code compacts the conversation on this error. It gives up on a 400, and resends on a 5xx without end.
  'context-overflow': { type: 'request_too_large', status: 413 },
  unauthorized: { type: 'authentication_error' },
  'quota-exhausted': { type: 'billing_error' },
  forbidden: { type: 'permission_error' },
  'upstream-auth': { type: 'permission_error' },
  'upstream-blocked': { type: 'permission_error' },
  'not-found': { type: 'not_found_error' },
  'too-large': { type: 'request_too_large' },
  'rate-limited': { type: 'rate_limit_error' },
  cancelled: { type: 'api_error' },
  internal: { type: 'api_error' },
  'upstream-unavailable': { type: 'api_error' },
  'upstream-malformed': { type: 'api_error' },
  'upstream-truncated': { type: 'api_error' },
  overloaded: { type: 'overloaded_error', status: 529 },
  timeout: { type: 'timeout_error' },
}

const overflowWords = 'prompt is too long'

export function encodeError(error: GatewayError, requestId: string): { status: number; body: object } {
  const { status = error.status } = errorTypes[error.kind]
  return { status, body: errorBody(error, requestId) }
}

/** The `error` event in a stream has the same shape. */
export function errorBody(given: GatewayError, requestId?: string): object {
  const error = withFieldNames(given, { stop: 'stop_sequences', response_format: 'output_config.format' })
  return {
    type: 'error',
    error: {
      type: errorTypes[error.kind].type,
      message: messageOf(error),
      ...(error.details ? { details: error.details } : {}),
    },
    request_id: requestId ?? null,
  }
}

/** Clients recognise an overflow by the first words of the message. */
function messageOf(error: GatewayError): string {
  const { overflow } = error
  if (overflow) return `${overflowWords}: ${overflow.tokens} tokens > ${overflow.maximum} maximum`
  if (error.kind !== 'context-overflow' || error.message.startsWith(overflowWords)) return error.message
  return `${overflowWords}: ${error.message}`
}
