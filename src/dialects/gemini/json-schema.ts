import { isRecord } from '../../core/json.ts'
import { camelCase } from './spelling.ts'

type Schema = Record<string, unknown>

/** Google writes 64-bit numbers as text. */
const counts = new Set(['maxItems', 'maxLength', 'maxProperties', 'minItems', 'minLength', 'minProperties'])
/** These describe how a value is stored. Validators of JSON schemas do not know them. */
const storageFormats = new Set(['enum', 'int32', 'int64', 'float', 'double'])
const schemaLists = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const namedSchemas = new Set(['properties', '$defs', 'definitions'])

/**
 * A schema in Google's subset of OpenAPI 3.0 as JSON schema: types in lower case, `nullable` as the type `null`,
 * properties in the order of `propertyOrdering`. A JSON schema is returned unchanged.
 */
export function jsonSchemaOf(schema: Schema): Schema {
  const given = Object.fromEntries(Object.entries(schema).map(([key, value]) => [camelCase(key), value]))
  const { nullable, propertyOrdering, example: _example, ...rest } = given
  const translated = Object.entries(rest).flatMap(([key, value]): [string, unknown][] => {
    if (key === 'type') return typeOf(value, nullable === true)
    if (key === 'format') return typeof value === 'string' && storageFormats.has(value) ? [] : [[key, value]]
    if (key === 'enum' && Array.isArray(value)) return [[key, nullable === true ? [...value, null] : value]]
    if (key === 'properties' && isRecord(value)) return [[key, ordered(named(value), propertyOrdering)]]
    if (namedSchemas.has(key) && isRecord(value)) return [[key, named(value)]]
    if (schemaLists.has(key) && Array.isArray(value)) return [[key, [...value.map(inner), ...nullBranch(key, given)]]]
    if (key === 'items' || key === 'additionalProperties' || key === 'not') return [[key, inner(value)]]
    if (counts.has(key) && typeof value === 'string' && /^\d+$/.test(value)) return [[key, Number(value)]]
    return [[key, value]]
  })
  return Object.fromEntries(translated)
}

function typeOf(type: unknown, isNullable: boolean): [string, unknown][] {
  const types = [type].flat().flatMap((name) => {
    const word = typeof name === 'string' ? name.toLowerCase() : ''
    return word === '' || word === 'type_unspecified' ? [] : [word]
  })
  const all = isNullable && !types.includes('null') ? [...types, 'null'] : types
  if (types.length === 0) return []
  return [['type', all.length === 1 ? all[0] : all]]
}

/** A union without a type of its own becomes nullable by an additional branch. */
function nullBranch(key: string, { type, nullable }: Schema): Schema[] {
  return key === 'anyOf' && nullable === true && type === undefined ? [{ type: 'null' }] : []
}

function inner(value: unknown): unknown {
  return isRecord(value) ? jsonSchemaOf(value) : value
}

function named(schemas: Schema): Schema {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, inner(schema)]))
}

/** Models write members in the order in which the schema lists them. */
function ordered(properties: Schema, order: unknown): Schema {
  if (!Array.isArray(order)) return properties
  const first = order.flatMap((name): [string, unknown][] =>
    typeof name === 'string' && Object.hasOwn(properties, name) ? [[name, properties[name]]] : [],
  )
  return { ...Object.fromEntries(first), ...properties }
}
