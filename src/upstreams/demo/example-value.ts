import { isRecord } from '../../core/json.ts'

type Schema = Record<string, unknown>

/**
 * Nesting depth from which the alternative that ends soonest is chosen instead of the first one, so that recursive
 * schemas end.
 */
const deepNesting = 6

/** Limit for an example: values in all, items of an array, characters of padding. */
const maxAmount = 10_000

/**
 * A small example value for a JSON schema. `text` is used for its strings.
 *
 * Supported: const, enum, anyOf, oneOf, allOf, local `$ref`, every type, required properties, tuples, the limits of
 * lengths, items and numbers, and a few string formats. `pattern`, `not`, conditions and unique items are ignored.
 */
export function synthesise(schema: unknown, text: string): unknown {
  const root = schema
  let values = 0
  return value(schema, 0)

  function value(schema: unknown, depth: number): unknown {
    // Only schemas with required endless recursion reach these limits; no finite value would be valid for them.
    if (!isRecord(schema) || depth > 40 || ++values > maxAmount) return text
    if ('const' in schema) return schema.const
    if (Array.isArray(schema.enum)) return schema.enum[0]
    if (typeof schema.$ref === 'string') return value(target(root, schema.$ref), depth + 1)
    const { allOf, anyOf, oneOf, ...own } = schema
    if (Array.isArray(allOf)) return value(merged({ anyOf, oneOf, ...own }, allOf.map(resolved)), depth + 1)
    const options = anyOf ?? oneOf
    if (Array.isArray(options)) {
      const option = depth < deepNesting ? options[0] : simplest(options)
      return value(merged(own, [resolved(option)]), depth + 1)
    }
    switch (typeOf(schema)) {
      case 'object':
        return object(schema, depth)
      case 'array':
        return array(schema, depth)
      case 'integer':
        return stepped(schema, 1)
      case 'number':
        return number(schema)
      case 'boolean':
        return true
      case 'null':
        return null
      default:
        return string(schema, text)
    }
  }

  function object(schema: Schema, depth: number): Schema {
    const properties = isRecord(schema.properties) ? schema.properties : {}
    const required = Array.isArray(schema.required) ? schema.required.map(String) : []
    return Object.fromEntries(
      required.map((name) => [name, value(Object.hasOwn(properties, name) ? properties[name] : {}, depth + 1)]),
    )
  }

  function array(schema: Schema, depth: number): unknown[] {
    const tuple = [schema.prefixItems, schema.items].find(Array.isArray) ?? []
    const wanted = Math.max(numberOr(schema.minItems, depth < deepNesting ? 1 : 0), tuple.length)
    const length = Math.min(wanted, numberOr(schema.maxItems, wanted), maxAmount)
    return Array.from({ length }, (_, index) => value(index < tuple.length ? tuple[index] : schema.items, depth + 1))
  }

  function resolved(part: unknown): unknown {
    return isRecord(part) && typeof part.$ref === 'string' ? target(root, part.$ref) : part
  }
}

/**
 * The schema that a local reference (`#/$defs/City`) points at; `undefined`, which allows anything, if there is none.
 */
function target(root: unknown, reference: string): unknown {
  const path = reference
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return path.reduce<unknown>((at, step) => (isRecord(at) && Object.hasOwn(at, step) ? at[step] : undefined), root)
}

/** Merges schemas: properties and required names are combined; for other keywords the last schema wins. */
function merged(own: Schema, parts: readonly unknown[]): Schema {
  const all: Schema = {}
  for (const part of [own, ...parts]) {
    if (!isRecord(part)) continue
    const properties = [all.properties, part.properties].filter(isRecord)
    const required = [all.required, part.required].filter(Array.isArray)
    Object.assign(all, part)
    if (properties.length > 0) all.properties = Object.assign({}, ...properties)
    if (required.length > 0) all.required = [...new Set(required.flat())]
  }
  return all
}

function simplest(options: readonly unknown[]): unknown {
  const isNested = (option: unknown) =>
    isRecord(option) && ('$ref' in option || ['object', 'array'].includes(typeOf(option)))
  return options.find((option) => !isNested(option)) ?? options.at(-1)
}

function typeOf(schema: Schema): string {
  const types = [schema.type].flat()
  const named = types.find((type) => type !== 'null') ?? types[0]
  if (typeof named === 'string') return named
  if ('properties' in schema || 'required' in schema) return 'object'
  return 'items' in schema || 'prefixItems' in schema ? 'array' : 'string'
}

const formats: Record<string, string> = {
  date: '2026-01-31',
  time: '12:30:00Z',
  'date-time': '2026-01-31T12:30:00Z',
  duration: 'PT30M',
  email: 'demo@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

function string(schema: Schema, text: string): string {
  const format = typeof schema.format === 'string' ? formats[schema.format] : undefined
  if (format !== undefined) return format
  // JSON schema counts code points.
  const points = [...text].slice(0, numberOr(schema.maxLength, Number.POSITIVE_INFINITY))
  return points.join('') + '.'.repeat(Math.max(0, Math.min(numberOr(schema.minLength, 0), maxAmount) - points.length))
}

function number(schema: Schema): number {
  if (typeof schema.multipleOf === 'number') return stepped(schema, schema.multipleOf)
  const low = numberOr(schema.minimum, numberOr(schema.exclusiveMinimum, Number.NaN))
  const high = numberOr(schema.maximum, numberOr(schema.exclusiveMaximum, Number.NaN))
  if (Number.isNaN(low)) return Number.isNaN(high) ? 1.5 : high - 1
  return Number.isNaN(high) ? low + 1 : (low + high) / 2
}

function stepped(schema: Schema, unit: number): number {
  const step = numberOr(schema.multipleOf, unit)
  const low = numberOr(schema.minimum, numberOr(schema.exclusiveMinimum, Number.NaN))
  if (Number.isNaN(low)) {
    const high = Math.floor(numberOr(schema.maximum, numberOr(schema.exclusiveMaximum, step)) / step) * step
    return high === schema.exclusiveMaximum ? high - step : high
  }
  const first = Math.ceil(low / step) * step
  return first === schema.exclusiveMinimum ? first + step : first
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}
