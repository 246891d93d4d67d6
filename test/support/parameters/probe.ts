import type { Schema } from '../sdk-types/schema.ts'
import { schemas, typeOf } from '../sdk-types/sdk.ts'

/** A request that says one thing more, or another, than the one beside it. */
export interface Probe {
  /** `tools[function].function.strict`: in brackets the tag of the variant. */
  path: string
  /** What the parameter says: JSON, cut short. */
  value: string
  without: unknown
  with: unknown
}

/** Whether a probe changes something that is worth a look at what stands inside of it. */
export type Descend = (probe: Probe) => boolean

/**
 * Everything that can be said in a body of the type, one thing at a time, beside a request that is complete without.
 * Where `descend` says no, nothing inside of what was said is looked at: it is refused or named as a whole.
 */
export function probesOf(
  type: string,
  templateOf: (name: string) => Readonly<Record<string, unknown>>,
  descend: Descend,
): Probe[] {
  const { $ref = '' } = schemas.of(typeOf(type))
  const { properties = {} } = resolved({ $ref })
  return Object.entries(properties).flatMap(([name, property]) => {
    const template = templateOf(name)
    const { [name]: given, ...rest } = template
    // A conversation goes on; all else is said anew.
    const goesOn = Array.isArray(given) && name !== 'tools'
    const base = name === 'tools' ? rest : template
    const put: Wrap = (value) => ({ ...base, [name]: goesOn && Array.isArray(value) ? [...given, ...value] : value })
    return ofValue(property, name, { seen: [$ref], put, without: base, descend })
  })
}

export function resolved(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : resolved(schemas.definitions[schema.$ref] ?? {})
}

/** Variants of a union, flat. */
function variantsOf(schema: Schema): Schema[] {
  const { anyOf, ...own } = resolved(schema)
  return anyOf ? anyOf.flatMap(variantsOf) : [{ ...own, ...(schema.$ref ? { $ref: schema.$ref } : {}) }]
}

const tagNames = ['type', 'role']

function tagOf(schema: Schema): string | undefined {
  const { properties = {} } = resolved(schema)
  for (const name of tagNames) {
    const tag = properties[name] && resolved(properties[name])
    if (typeof tag?.const === 'string') return tag.const
    if (name === 'role' && tag?.enum) return String(tag.enum[0])
  }
  return undefined
}

/** A text as its place wants it: files are neither fetched nor read here. */
function text(name: string, word: string): string {
  if (/url$/.test(name)) return `https://example.com/${word}.png`
  if (/data$/.test(name)) return btoa(word)
  return word
}

/** The least that a value of the type can be. */
function least(schema: Schema, depth = 0, name = ''): unknown {
  const [variant = {}] = variantsOf(schema)
  const own = resolved(variant)
  if (own.const !== undefined) return own.const
  if (own.enum) return own.enum[0]
  switch (own.type) {
    case 'string':
      return text(name, 'alpha')
    case 'number':
      return name === 'budget_tokens' ? 1_024 : 1
    case 'boolean':
      return true
    case 'null':
      return null
    case 'array':
      // Tools within tools: without one there is nothing to offer.
      return name === 'tools' ? [least(own.items ?? {}, depth + 1)] : []
    case 'object':
      return leastObject(own, depth)
    default:
      return {}
  }
}

function leastObject({ properties = {}, required = [] }: Schema, depth: number): Record<string, unknown> {
  if (depth > 8) return {}
  return Object.fromEntries(required.map((name) => [name, least(properties[name] ?? {}, depth + 1, name)]))
}

/** Other values than the least one. */
function others(schema: Schema, path: string): unknown[] {
  return variantsOf(schema).flatMap((variant): unknown[] => {
    const own = resolved(variant)
    if (own.const !== undefined) return [own.const]
    if (own.enum) return own.enum
    switch (own.type) {
      case 'string':
        return [text(path.replace(/.*\./, ''), 'beta')]
      case 'number':
        return [2, 0.5, 2_000] // a share, a few, many
      case 'boolean':
        return [true, false]
      case 'object':
        return [own.additionalProperties ? { alpha: least(own.additionalProperties) } : { type: 'object' }]
      case 'array':
        return [[least(own.items ?? {})]]
      default:
        return []
    }
  })
}

type Wrap = (value: unknown) => unknown

interface Place {
  /** Types around this one: a type within itself is not looked at again. */
  seen: readonly string[]
  /** Puts a value into its request. */
  put: Wrap
  without: unknown
  descend: Descend
}

function ofValue(schema: Schema, path: string, place: Place): Probe[] {
  return variantsOf(schema).flatMap((variant): Probe[] => {
    const own = resolved(variant)
    const { put, without } = place
    if (own.type === 'array') return ofValue(own.items ?? {}, `${path}[]`, { ...place, put: (value) => put([value]) })
    if (own.type === 'object' && Object.keys(own.properties ?? {}).length > 0) {
      const tag = tagOf(own)
      const at = tag === undefined ? path : `${path}[${tag}]`
      const given = { path: at, value: 'given', without, with: put(least(variant)) }
      const inside = place.descend(given) ? ofMembers(variant, at, place) : []
      return isSame(given) ? inside : [given, ...inside]
    }
    return others(variant, path)
      .map((value) => ({ path, value: JSON.stringify(value), without, with: put(value) }))
      .filter((probe) => !isSame(probe))
  })
}

function isSame(probe: Probe): boolean {
  return JSON.stringify(probe.with) === JSON.stringify(probe.without)
}

function ofMembers(schema: Schema, path: string, { seen, put, descend }: Place): Probe[] {
  const ref = schema.$ref
  if (ref !== undefined && seen.includes(ref)) return []
  const own = resolved(schema)
  const base = leastObject(own, 0)
  return Object.entries(own.properties ?? {}).flatMap(([name, property]) => {
    if (tagNames.includes(name) && resolved(property).const !== undefined) return []
    return ofValue(property, `${path}.${name}`, {
      seen: ref === undefined ? seen : [...seen, ref],
      put: (value) => put({ ...base, [name]: value }),
      without: put(base),
      descend,
    })
  })
}
