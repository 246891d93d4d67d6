import { type ErrorKind, type GatewayError, retryAfterSeconds, withFieldNames } from '../../core/errors.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'

/** The names of google.rpc.Code. Source: https://ai.google.dev/gemini-api/docs/troubleshooting */
const statusOf = {
  'invalid-request': 'INVALID_ARGUMENT',
  'content-filtered': 'INVALID_ARGUMENT',
  'context-overflow': 'INVALID_ARGUMENT',
  unauthorized: 'UNAUTHENTICATED',
  // Somebody has to pay first, so waiting does not help a client.
  'quota-exhausted': 'FAILED_PRECONDITION',
  forbidden: 'PERMISSION_DENIED',
  'upstream-auth': 'PERMISSION_DENIED',
  'upstream-blocked': 'PERMISSION_DENIED',
  'not-found': 'NOT_FOUND',
  'too-large': 'INVALID_ARGUMENT',
  'rate-limited': 'RESOURCE_EXHAUSTED',
  cancelled: 'CANCELLED',
  internal: 'INTERNAL',
  'upstream-unavailable': 'UNAVAILABLE',
  'upstream-malformed': 'UNAVAILABLE',
  'upstream-truncated': 'UNAVAILABLE',
  overloaded: 'UNAVAILABLE',
  timeout: 'DEADLINE_EXCEEDED',
} satisfies Record<ErrorKind, string>

export function encodeError(error: GatewayError, requestId?: string): { status: number; body: object } {
  return { status: error.status, body: errorBody(error, requestId) }
}

const fieldNames = {
  dimensions: 'outputDimensionality',
  messages: 'contents',
  response_format: 'generationConfig.responseSchema',
  stop: 'generationConfig.stopSequences',
  tool_choice: 'toolConfig.functionCallingConfig',
}

/** The same shape before the first byte and inside a stream. */
export function errorBody(given: GatewayError, requestId?: string): object {
  const error = withFieldNames(given, fieldNames)
  return {
    error: {
      code: error.status,
      message: messageOf(error),
      status: statusOf[error.kind],
      details: detailsOf(error, requestId),
    },
  }
}

/**
 * Google's answer to a prompt that it considers unsafe: no candidates, and no error. Source:
 * GenerateContentResponse.PromptFeedback of the API's reference.
 */
export function refusedPrompt({ id, model }: Pick<ReplyHead, 'id' | 'model'>, { message }: GatewayError): object {
  return {
    promptFeedback: { blockReason: 'PROHIBITED_CONTENT', blockReasonMessage: message },
    modelVersion: model,
    responseId: id,
  }
}

/** Clients recognise an overflow by these words. */
function messageOf({ message, overflow }: GatewayError): string {
  if (overflow === undefined) return message
  const { tokens, maximum } = overflow
  return `The input token count (${tokens}) exceeds the maximum number of tokens allowed (${maximum}).`
}

/** Source: google/rpc/error_details.proto. */
function detailsOf(error: GatewayError, requestId?: string): object[] {
  const { code, param, message } = error
  const seconds = retryAfterSeconds(error)
  return [
    detail('ErrorInfo', { reason: code.toUpperCase(), domain: 'zai2api', metadata: {} }),
    ...(param === undefined
      ? []
      : [detail('BadRequest', { fieldViolations: [{ field: param, description: message }] })]),
    ...(seconds === undefined ? [] : [detail('RetryInfo', { retryDelay: `${seconds}s` })]),
    ...(requestId === undefined ? [] : [detail('RequestInfo', { requestId })]),
  ]
}

function detail(type: string, members: object): object {
  return { '@type': `type.googleapis.com/google.rpc.${type}`, ...members }
}
