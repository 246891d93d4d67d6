/** The path to the first value nested in more than `levels` objects and lists; `undefined` if there is none. */
export function tooDeep(value: unknown, levels: number): string[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return []
  if (Array.isArray(value)) {
    // A loop by index: `Object.keys` would create a million strings for a list of a million items.
    for (let index = 0; index < value.length; index++) {
      const path = tooDeep(value[index], levels - 1)
      if (path) return [String(index), ...path]
    }
    return undefined
  }
  for (const key of Object.keys(value)) {
    const path = tooDeep(Reflect.get(value, key), levels - 1)
    if (path) return [key, ...path]
  }
  return undefined
}
