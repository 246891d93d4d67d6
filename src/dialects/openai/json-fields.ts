import { isRecord as isFields } from '../../core/json.ts'

/** A JSON object that has not been checked. */
export type Fields = Record<string, unknown>

export { isFields }

/** An empty object if the value is no object. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {}
}

/** Empty if the value is no text. */
export function textOr(value: unknown, otherwise = ''): string {
  return typeof value === 'string' && value !== '' ? value : otherwise
}

/** An empty list if the value is no list. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Text as it is, any other value as JSON text; empty for a missing value. */
export function jsonText(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}
