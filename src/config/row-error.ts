import type { TSchema } from '@sinclair/typebox'
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import { didYouMean, printable } from './usage-error.ts'

export interface RowsOptions {
  /** The key that error messages begin with: `models` in `models[1].price`. */
  name: string
  /** Schema of the whole list. */
  schema: TSchema
  /** Schema of the object at this path. Its keys are listed when the object has an unknown key. */
  partAt(steps: readonly string[]): TSchema
}

/** The first error in the rows, with its path: `models[1].price.input must be …`; `undefined` if there is none. */
export function rowError(rows: unknown, { name, schema, partAt }: RowsOptions): string | undefined {
  const error = Value.Errors(schema, rows).First()
  if (error === undefined || error.path === '') return undefined
  const steps = error.path.slice(1).split('/')
  const path = `${name}${steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${printable(step)}`)).join('')}`
  const part = partAt(steps)
  if (error.type !== ValueErrorType.ObjectAdditionalProperties)
    return `${path} must be ${error.schema.description ?? part.description}`
  const known = Object.keys(part.properties ?? {})
  return `${path} is not known; ${didYouMean(steps.at(-1) ?? '', known)}allowed: ${known.join(', ')}`
}
