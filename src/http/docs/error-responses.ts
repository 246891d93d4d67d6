import type { Dialect } from '../../core/dialect.ts'
import { type ErrorFacts, type ErrorKind, GatewayError } from '../../core/errors.ts'
import { sampleId } from './sample.ts'
import { shapeOf } from './shape.ts'

export type ExampleFailure = readonly [kind: ErrorKind, message: string, facts?: ErrorFacts]

/** The most frequent failures. */
export const failures = {
  invalid: ['invalid-request', 'messages: this field is required', { param: 'messages' }],
  unauthorized: ['unauthorized', 'The key is not the one this gateway was given.', { code: 'invalid_api_key' }],
  blocked: ['upstream-blocked', 'Z.AI asks for a browser check. Sign in there once.', { code: 'captcha_required' }],
  noModel: ['not-found', 'The model `GLM-0` does not exist here.', { code: 'model_not_found', param: 'model' }],
  limited: ['rate-limited', 'Z.AI takes no more requests for 5 s.', { retryAfterMs: 5_000 }],
  unavailable: ['upstream-unavailable', 'Z.AI cannot be reached.'],
  timeout: ['timeout', 'Z.AI was silent for 120 s.'],
} as const satisfies Record<string, ExampleFailure>

const ranges = {
  '4XX': 'Resending does not help, except after a 429.',
  '5XX': 'Resending may help.',
}

const headers = {
  'x-should-retry': { description: 'Whether resending can help.', schema: { type: 'boolean' } },
  'retry-after': { description: 'Seconds to wait before that, where known.', schema: { type: 'integer' } },
}

/** Each of these failures in each dialect, by range of status. */
export function errorResponses(
  dialects: readonly Dialect[],
  shown: readonly ExampleFailure[] = Object.values(failures),
): Record<string, object> {
  const schema = { anyOf: dialects.map(({ id }) => ({ $ref: `#/components/schemas/${id}.error` })) }
  return Object.fromEntries(
    Object.entries(ranges).flatMap(([range, description]) => {
      const examples = shown.flatMap((failure) => examplesOf(failure, dialects, range))
      if (examples.length === 0) return []
      const content = { 'application/json': { schema, examples: Object.fromEntries(examples) } }
      return [[range, { description, headers, content }]]
    }),
  )
}

function examplesOf(failure: ExampleFailure, dialects: readonly Dialect[], range: string) {
  const [kind] = failure
  return dialects.flatMap((dialect) => {
    const { status, body } = encodeError(dialect, failure)
    if (range !== `${Math.floor(status / 100)}XX`) return []
    const whose = dialects.length > 1 ? `, ${dialect.label}` : ''
    return [[`${kind}.${dialect.id}`, { summary: `${status} ${kind}${whose}`, value: body }] as const]
  })
}

export function errorSchema(dialect: Dialect): object {
  return shapeOf(...Object.values(failures).map((failure) => encodeError(dialect, failure).body))
}

function encodeError(dialect: Dialect, [kind, message, facts]: ExampleFailure) {
  return dialect.encodeError(new GatewayError(kind, message, facts), `req_${sampleId}`)
}
