import { type ErrorKind, type GatewayError, withFieldNames } from '../../core/errors.ts'
import { encodeError as encodeOpenAiError } from '../openai/errors.ts'

/** One shape and one table for all of OpenAI's APIs. */
export function encodeError(error: GatewayError): { status: number; body: object } {
  return encodeOpenAiError(withFieldNames(error, { messages: 'input', response_format: 'text.format' }))
}

/**
 * `response.error.code` of a reply that fails in the middle. Codex resends the request unless the code says that this
 * is useless. `invalid_prompt` is the code with which it shows the message and stops.
 */
const failureCodes: Record<ErrorKind, string> = {
  'invalid-request': 'invalid_prompt',
  'content-filtered': 'invalid_prompt',
  'context-overflow': 'context_length_exceeded',
  unauthorized: 'invalid_prompt',
  'quota-exhausted': 'insufficient_quota',
  forbidden: 'invalid_prompt',
  'upstream-auth': 'invalid_prompt',
  'upstream-blocked': 'invalid_prompt',
  'not-found': 'invalid_prompt',
  'too-large': 'invalid_prompt',
  'rate-limited': 'rate_limit_exceeded',
  cancelled: 'server_error',
  internal: 'server_error',
  'upstream-unavailable': 'server_error',
  'upstream-malformed': 'server_error',
  'upstream-truncated': 'server_error',
  overloaded: 'server_error',
  timeout: 'server_error',
}

/** The `error` of the response in `response.failed`. Codex reads the time to wait from its message. */
export function failure({ kind, message, retryAfterMs }: GatewayError): { code: string; message: string } {
  const wait = kind === 'rate-limited' && retryAfterMs ? ` Please try again in ${Math.ceil(retryAfterMs / 1000)}s.` : ''
  return { code: failureCodes[kind], message: message + wait }
}
