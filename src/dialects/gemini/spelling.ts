import { isRecord } from '../../core/json.ts'

/** Members that hold the client's own data or a JSON schema, in which names are not the API's. */
const ownData = new Set([
  'args',
  'labels',
  'parameters',
  'parametersJsonSchema',
  'partMetadata',
  'response',
  'responseJsonSchema',
  'responseSchema',
  'schema',
])

/**
 * The same value with its members in camel case: Google's API takes `system_instruction` as well as
 * `systemInstruction`. If both are there, the one in camel case counts. Values without such members are returned as
 * they are, not copied.
 */
export function inCamelCase<Value>(value: Value): Value
export function inCamelCase(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => inCamelCase(item))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  if (!isRecord(value)) return value
  const renamed: [string, unknown][] = []
  const kept: [string, unknown][] = []
  let isSame = true
  for (const [key, member] of Object.entries(value)) {
    const name = camelCase(key)
    const inner = ownData.has(name) ? member : inCamelCase(member)
    if (name !== key || inner !== member) isSame = false
    if (name === key) kept.push([name, inner])
    else renamed.push([name, inner])
  }
  return isSame ? value : Object.fromEntries([...renamed, ...kept])
}

/** The same value with its members in snake case, as the other APIs write them. */
export function inSnakeCase(value: Record<string, unknown>): Record<string, unknown> {
  const inner = (member: unknown) => (isRecord(member) ? inSnakeCase(member) : member)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [snakeCase(name), inner(member)]))
}

/** Longer than any member of the API. */
const longestName = 64

export function camelCase(name: string): string {
  if (name.length > longestName || !name.includes('_')) return name
  return name.replaceAll(/(?<=\w)_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
