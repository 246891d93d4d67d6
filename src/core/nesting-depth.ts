/** Where a value goes deeper than so many objects and lists inside each other; `undefined` where it does not. */
export function tooDeep(value: unknown, levels: number): string[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return []
  if (Array.isArray(value)) {
    // By number: a list of a million items would have to make a million names of them.
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
