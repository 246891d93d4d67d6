/**
 * Where a value differs from what is wanted of it; an empty list where it does not.
 *
 * An object has to have the members that are wanted and may have others; a list has to have as many items. In place of
 * a value may stand `"$any"` (there is one), `"$absent"` (there is none), `"$id"` (a text that is not empty),
 * `{ "$match": "^a+$" }` (a text like this) and `{ "$json": { … } }` (JSON text of a value that matches).
 */
export function mismatches(actual: unknown, wanted: unknown, path = '$'): string[] {
  if (wanted === '$absent') return actual === undefined ? [] : [`${path} is there: ${shown(actual)}`]
  if (actual === undefined) return [`${path} is missing`]
  if (wanted === '$any') return []
  if (wanted === '$id') return typeof actual === 'string' && actual !== '' ? [] : [`${path} is no id: ${shown(actual)}`]
  if (Array.isArray(wanted)) return listMismatches(actual, wanted, path)
  if (!isRecord(wanted)) return Object.is(actual, wanted) ? [] : [`${path} is ${shown(actual)}, not ${shown(wanted)}`]
  if (typeof wanted.$match === 'string')
    return typeof actual === 'string' && new RegExp(wanted.$match, 's').test(actual)
      ? []
      : [`${path} is ${shown(actual)}, not like ${wanted.$match}`]
  if ('$json' in wanted) return jsonMismatches(actual, wanted.$json, path)
  if (!isRecord(actual)) return [`${path} is no object: ${shown(actual)}`]
  return Object.entries(wanted).flatMap(([key, value]) => mismatches(actual[key], value, `${path}.${key}`))
}

function listMismatches(actual: unknown, wanted: readonly unknown[], path: string): string[] {
  if (!Array.isArray(actual)) return [`${path} is no list: ${shown(actual)}`]
  if (actual.length !== wanted.length)
    return [`${path} has ${actual.length} items, not ${wanted.length}: ${shown(actual)}`]
  return wanted.flatMap((item, index) => mismatches(actual[index], item, `${path}[${index}]`))
}

function jsonMismatches(actual: unknown, wanted: unknown, path: string): string[] {
  try {
    return mismatches(JSON.parse(String(actual)), wanted, `${path} as JSON`)
  } catch {
    return [`${path} is no JSON text: ${shown(actual)}`]
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 300)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
