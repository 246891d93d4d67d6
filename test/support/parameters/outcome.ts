import type { TypeCheck } from '@sinclair/typebox/compiler'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Dialect } from '../../../src/core/dialect.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { fieldsOf } from '../../../src/dialects/openai/json-fields.ts'
import { invalidBody } from '../../../src/http/body-validation.ts'
import { unknownFields } from '../../../src/http/unknown-fields.ts'
import { requestContext } from '../request-context.ts'
import type { Probe } from './probe.ts'

/**
 * What becomes of a parameter: `taken` where it changes what is asked of the model or how the reply is told, `named as`
 * where the client is told that it is ignored, `refused at` with a 400 that names it, else `nothing`.
 */
export type Outcome = 'taken' | `named as ${string}` | `refused at ${string}` | 'nothing'

interface Understood {
  effect: string
  named: string[]
}

/** Options that only give back what was asked, or keep it for the next request: with that nothing is done yet. */
const given = new Set(['echo', 'input'])

/** What a dialect makes of bodies, as its door does: checked first, then read. */
export function createJudge({ body: schema, decode }: Dialect): (probe: Probe) => Outcome {
  let check: TypeCheck<typeof schema> | undefined
  const known = new Map<string, Understood | GatewayError>()

  function understood(text: string): Understood | GatewayError {
    check ??= TypeCompiler.Compile(schema)
    const body: unknown = JSON.parse(text)
    try {
      if (!check.Check(body)) throw invalidBody(schema, body)
      const { request, options, stream } = decode(body, requestContext())
      const { ignored, ...rest } = request
      const told = Object.entries(fieldsOf(options)).filter(
        ([name, value]) => !given.has(name) || typeof value !== 'object',
      )
      return { effect: JSON.stringify({ rest, told, stream }), named: [...ignored, ...unknownFields(body, schema)] }
    } catch (error) {
      if (error instanceof GatewayError && error.kind === 'invalid-request') return error
      throw error
    }
  }

  function cached(body: unknown): Understood | GatewayError {
    const text = JSON.stringify(body)
    const found = known.get(text) ?? understood(text)
    known.set(text, found)
    return found
  }

  return (probe) => {
    const before = cached(probe.without)
    const after = cached(probe.with)
    if (after instanceof GatewayError) {
      if (before instanceof GatewayError && before.message === after.message) return 'nothing'
      return `refused at ${after.param ?? 'the body'}`
    }
    if (before instanceof GatewayError) return 'taken'
    const named = after.named.filter((name) => !before.named.includes(name))
    if (named.length > 0) return `named as ${named.join(', ')}`
    return after.effect === before.effect ? 'nothing' : 'taken'
  }
}
