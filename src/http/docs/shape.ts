/**
 * A JSON schema that all of the examples match. It requires no property. A value that is `null` in all examples may be
 * anything.
 */
export function shapeOf(...examples: unknown[]): object {
  const types = [...new Set(examples.map(typeOf))]
  if (types.every((type) => type === 'null')) return {}
  const objects = examples.filter(isObject)
  const names = new Set(objects.flatMap(Object.keys))
  const properties = [...names].map((name) => {
    const values = objects.flatMap((object) => (name in object ? [object[name]] : []))
    return [name, shapeOf(...values)] as const
  })
  return {
    type: types.length === 1 ? types[0] : types,
    ...(types.includes('object') ? { properties: Object.fromEntries(properties) } : {}),
    ...(types.includes('array') ? { items: shapeOf(...examples.filter(Array.isArray).flat()) } : {}),
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeOf(value) === 'object'
}
