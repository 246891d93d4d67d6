import { asGatewayError, type GatewayError } from '../../core/errors.ts'
import type { ExampleFailure } from './error-responses.ts'

/** The documented responses of a route: its answer and its errors. */
export function answerOf(answer: () => object): { example?: object; refusals: ExampleFailure[] } {
  try {
    return { example: answer(), refusals: [] }
  } catch (thrown) {
    return { refusals: failureOf(asGatewayError(thrown)) }
  }
}

export function failureOf(error: GatewayError | undefined): ExampleFailure[] {
  return error ? [[error.kind, error.message, { code: error.code, param: error.param }]] : []
}
