/** What a text says as JSON; `undefined` where it is none. */
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

/** Whether two texts say the same as JSON, whatever the order of members; an empty text says `{}`. */
export function sameJson(left: string, right: string): boolean {
  return left === right || canonicalJson(left) === canonicalJson(right)
}

/** One spelling for all texts that say the same as JSON; what is no JSON stays. */
export function canonicalJson(text: string): string {
  const value = parseJson(text || '{}')
  return value === undefined ? text : JSON.stringify(value, inOrder)
}

/** For `JSON.stringify`: members by name. */
function inOrder(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
}
