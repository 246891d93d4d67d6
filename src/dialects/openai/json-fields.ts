import { isRecord as isFields } from '../../core/json.ts'

/** A JSON object nobody has checked. */
export type Fields = Record<string, unknown>

export { isFields }

/** No members where there is no object. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {}
}

/** Empty where there is no text. */
export function textOr(value: unknown, otherwise = ''): string {
  return typeof value === 'string' && value !== '' ? value : otherwise
}

/** No items where there is no list. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** JSON text as it is, any other value as JSON text; empty where there is nothing. */
export function jsonText(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}
