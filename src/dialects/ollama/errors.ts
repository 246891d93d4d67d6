import { type GatewayError, withFieldNames } from '../../core/errors.ts'

/** Source: `docs/api/errors.mdx` of Ollama, 2026-08. */
export function encodeError(error: GatewayError): { status: number; body: object } {
  return { status: error.status, body: errorBody(error) }
}

/** The same shape before the first byte and as the last line of a stream. */
export function errorBody(error: GatewayError): object {
  return { error: withFieldNames(error, { stop: 'options.stop', response_format: 'format' }).message }
}
