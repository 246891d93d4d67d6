import { type TSchema, Type } from '@sinclair/typebox'
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import { parseJson } from '../core/json.ts'
import { modelRow } from '../models/row.ts'
import type { Kind } from './kinds.ts'
import { didYouMean, printable } from './usage-error.ts'

/** `[[models]]` of the configuration file, or a JSON array of the same rows. */
export const modelRows = {
  schema: Type.Array(modelRow),
  read: (text) => (text === '' ? [] : parseJson(text)),
  allowed: 'rows such as [{"id":"glm-5.5","context_tokens":1048576}]',
  placeholder: 'ROWS',
  complaint,
} satisfies Kind

/** The first thing that is wrong with rows, with its place: `models[1].price.input must be …`. */
function complaint(rows: unknown): string | undefined {
  const error = Value.Errors(modelRows.schema, rows).First()
  if (error === undefined || error.path === '') return undefined
  const steps = error.path.slice(1).split('/')
  const name = steps.at(-1) ?? ''
  const place = `models${steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${printable(step)}`)).join('')}`
  if (error.type !== ValueErrorType.ObjectAdditionalProperties)
    return `${place} must be ${error.schema.description ?? modelRow.description}`
  const known = membersOf(steps.includes('price') ? modelRow.properties.price : modelRow)
  return `${place} is not known; ${didYouMean(name, known)}allowed: ${known.join(', ')}`
}

function membersOf({ properties }: TSchema): string[] {
  return Object.keys(properties ?? {})
}
