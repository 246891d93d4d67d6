import type { ErrorObject } from 'ajv'
import { truncate } from '../../core/truncate.ts'

/**
 * What is wrong with a value, worst first, each with its path: `items.0.price must be number`. Empty when it fits.
 * Errors: `SlowPattern`.
 */
export type Checker = (value: unknown) => string[]

type Schema = Record<string, unknown>

/**
 * Makes checkers of JSON schemas, or says why there is none: clients send schemas no validator accepts (references that
 * lead nowhere, foreign regular expressions), and a good answer is not to fail for that.
 *
 * Formats are not looked at: none of the official APIs promises them. Draft 2020-12 where the schema says so, else
 * draft-07. The validator writes a program for each schema, so it is loaded when the first answer is checked.
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
    // The validator would look for the draft under its address.
    const { $schema: _, ...rules } = schema
    const validate = validator.compile(rules)
    return (value) => (validate(value) ? [] : (validate.errors ?? []).slice(0, mostViolations).map(violation))
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause))
  }
}

/** More of them would not make the model wiser. */
const mostViolations = 10

/** What a pattern asks for is not known: a good answer is not to fail for that either. */
export class SlowPattern extends Error {}

/** For one value. The engine itself gives up after half a second, and says no. */
const mostMs = 100

/** A pattern may be written so that it takes for ever (`^(a+)+$`). */
function regexWithTimeout(pattern: string, flags: string) {
  const expression = new RegExp(pattern, flags)
  return {
    test(text: string): boolean {
      const startedAt = performance.now()
      const fits = expression.test(text)
      if (performance.now() - startedAt > mostMs)
        throw new SlowPattern(`a pattern took longer than ${mostMs} ms: ${truncate(pattern)}`)
      return fits
    },
    toString: () => String(expression),
  }
}
// For validators that are written to a file, which these are not.
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

/** Paths and names come from the schema or are keys of the value; values are not told, for errors are logged. */
function violation({ instancePath, message = 'is not allowed', params }: ErrorObject): string {
  const path = instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  const extra = typeof params.additionalProperty === 'string' ? `: ${params.additionalProperty}` : ''
  const allowed = Array.isArray(params.allowedValues) ? `: ${truncate(JSON.stringify(params.allowedValues), 200)}` : ''
  return truncate(`${path || 'the value'} ${message}${extra}${allowed}`, longestViolation)
}
