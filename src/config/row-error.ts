import type { TSchema } from '@sinclair/typebox'
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import { didYouMean, printable } from './usage-error.ts'

export interface RowsOptions {
  /** In front of a place: `models[1].price`. */
  name: string
  /** Of all rows. */
  schema: TSchema
  /** One row, or the part of one behind these steps: whose members are named where one is not known. */
  partAt(steps: readonly string[]): TSchema
}

/** The first thing that is wrong with rows, with its place: `models[1].price.input must be …`. */
export function rowError(rows: unknown, { name, schema, partAt }: RowsOptions): string | undefined {
  const error = Value.Errors(schema, rows).First()
  if (error === undefined || error.path === '') return undefined
  const steps = error.path.slice(1).split('/')
  const place = `${name}${steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${printable(step)}`)).join('')}`
  const part = partAt(steps)
  if (error.type !== ValueErrorType.ObjectAdditionalProperties)
    return `${place} must be ${error.schema.description ?? part.description}`
  const known = Object.keys(part.properties ?? {})
  return `${place} is not known; ${didYouMean(steps.at(-1) ?? '', known)}allowed: ${known.join(', ')}`
}
