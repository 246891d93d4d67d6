import type { ErrorObject } from 'ajv'
import { truncate } from '../../core/truncate.ts'

/**
 * Checks a value. Returns the violations, each with its path: `items.0.price must be number`. Empty if the value fits.
 * Errors: `SlowPattern`.
 */
export type Checker = (value: unknown) => string[]

type Schema = Record<string, unknown>

/**
 * Returns a function that compiles a JSON schema into a checker, or returns the error. Clients send schemas that no
 * validator accepts (with missing references or foreign regular expressions), and a good answer must not fail for that.
 *
 * Formats are not checked, because none of the official APIs guarantees them. Draft 2020-12 is used if the schema names
 * it, else draft-07. The validator library is large, so it is loaded when the first answer is checked.
 */
export async function loadSchemaCompiler(): Promise<(schema: Schema) => Checker | Error> {
  const validators = await loadValidators()
  return (schema) => compiled(schema, validators)
}

function compiled(schema: Schema, { Ajv, Ajv2020 }: Validators): Checker | Error {
  const Validator = isDraft2020(schema) ? Ajv2020 : Ajv
  const validator = new Validator({
    strict: false,
    validateFormats: false,
    validateSchema: false,
    allErrors: true,
    logger: false,
    addUsedSchema: false,
    code: { regExp: regexWithTimeout },
  })
  try {
    // Removed, because the validator would look for the draft's own schema under this address.
    const { $schema: _, ...rules } = schema
    const validate = validator.compile(rules)
    return (value) => (validate(value) ? [] : (validate.errors ?? []).slice(0, maxViolations).map(violation))
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause))
  }
}

/** Ten are enough for the model to correct its answer. */
const maxViolations = 10

/** A pattern took too long, so it is unknown whether the value fits. The answer then passes unchecked. */
export class SlowPattern extends Error {}

/** Time for one value. The engine itself gives up after half a second and reports no match. */
const patternTimeoutMs = 100

/** A regular expression that throws `SlowPattern` for patterns of exponential time such as `^(a+)+$`. */
function regexWithTimeout(pattern: string, flags: string) {
  const expression = new RegExp(pattern, flags)
  return {
    test(text: string): boolean {
      const startedAt = performance.now()
      const fits = expression.test(text)
      if (performance.now() - startedAt > patternTimeoutMs)
        throw new SlowPattern(`a pattern took longer than ${patternTimeoutMs} ms: ${truncate(pattern)}`)
      return fits
    },
    toString: () => String(expression),
  }
}
// The library requires this property. It is only used for validators that are written to a file.
regexWithTimeout.code = 'impatient'

type Validators = Awaited<ReturnType<typeof loadValidators>>

async function loadValidators() {
  const [{ Ajv }, { Ajv2020 }] = await Promise.all([import('ajv'), import('ajv/dist/2020.js')])
  return { Ajv, Ajv2020 }
}

function isDraft2020({ $schema }: Schema): boolean {
  return typeof $schema === 'string' && /2020-12|2019-09/.test($schema)
}

const longestViolation = 400

/** Describes an error by paths, keys and what the schema allows, but without values, because errors are logged. */
function violation({ instancePath, message = 'is not allowed', params }: ErrorObject): string {
  const path = instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  const extra = typeof params.additionalProperty === 'string' ? `: ${params.additionalProperty}` : ''
  const allowed = Array.isArray(params.allowedValues) ? `: ${truncate(JSON.stringify(params.allowedValues), 200)}` : ''
  return truncate(`${path || 'the value'} ${message}${extra}${allowed}`, longestViolation)
}
