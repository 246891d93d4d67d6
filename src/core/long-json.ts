import { isRecord } from './json.ts'

/** Longer texts, in UTF-16 units, take a millisecond or more to write. */
const longLength = 262_144

export function isLongText(text: string): boolean {
  return text.length > longLength
}

/**
 * Returns a function like `JSON.stringify` that writes each long text once and then uses what it wrote: a stream that says
 * the whole text in three events took 40 ms for 6 MB. For plain values.
 */
export function longTextJson(): (value: object) => string {
  const written = new Map<string, string>()
  return (value) => write(value) ?? ''

  function write(value: unknown): string | undefined {
    if (typeof value === 'string' && isLongText(value)) return text(value)
    if (!holdsTextOver(longLength, value)) return JSON.stringify(value)
    if (Array.isArray(value)) return `[${value.map((item) => write(item) ?? 'null').join()}]`
    return isRecord(value) ? `{${Object.entries(value).flatMap(member).join()}}` : undefined
  }

  function member([name, value]: [string, unknown]): string[] {
    const json = write(value)
    return json === undefined ? [] : [`${JSON.stringify(name)}:${json}`]
  }

  function text(value: string): string {
    const known = written.get(value)
    if (known !== undefined) return known
    const json = JSON.stringify(value)
    written.set(value, json)
    return json
  }
}

/** Whether a value has a text anywhere inside that is longer than `length`, in UTF-16 units. */
export function holdsTextOver(length: number, value: unknown): boolean {
  if (typeof value === 'string') return value.length > length
  if (Array.isArray(value)) return value.some((item) => holdsTextOver(length, item))
  if (!isRecord(value)) return false
  for (const name in value) if (holdsTextOver(length, value[name])) return true
  return false
}
