import { isRecord } from '../../../core/json.ts'

/** Where APIs put the reason of a refusal, the most telling first. */
const reasonFields = ['message', 'detail', 'error']

/**
 * The reason in an error of any dialect: the outermost of `message`, `detail` and `error` that is a text, as in
 * `{"error":{"message":"…"}}` and `{"detail":"…"}`. `undefined` if there is none.
 */
export function errorText(body: unknown): string | undefined {
  for (let level = [body]; level.length > 0; level = level.flatMap(valuesOf)) {
    const records = level.filter(isRecord)
    const texts = reasonFields.flatMap((field) => records.map((record) => record[field]))
    const text = texts.find((value) => typeof value === 'string' && value !== '')
    if (typeof text === 'string') return text
  }
  return undefined
}

function valuesOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : []
}
