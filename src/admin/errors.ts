import type { GatewayError } from '../core/errors.ts'
import { encodeError } from '../dialects/openai/errors.ts'

/** OpenAI's shape, with what a program needs besides: `attempts_left`. */
export function encodeAdminError(error: GatewayError): { status: number; body: object } {
  const { status, body } = encodeError(error)
  const { error: inner }: { error?: object } = body
  return { status, body: { error: { ...inner, ...error.details } } }
}
