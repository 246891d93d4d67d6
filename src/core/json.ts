/** The parsed value; `undefined` if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A JSON object: no list, no null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether two JSON texts have the same value, whatever the order of members. An empty text counts as `{}`. */
export function sameJson(left: string, right: string): boolean {
  return left === right || canonicalJson(left) === canonicalJson(right)
}

/** One spelling for all JSON texts with the same value; a text that is not JSON is returned as it is. */
export function canonicalJson(text: string): string {
  const value = parseJson(text || '{}')
  return value === undefined ? text : JSON.stringify(value, inOrder)
}

/** Replacer for `JSON.stringify` that sorts members by name. */
function inOrder(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
}
