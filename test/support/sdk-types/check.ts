import { Ajv, type ErrorObject } from 'ajv'
import type { Schema } from './schema.ts'
import { schemas, typeOf } from './sdk.ts'

/** Definitions that have been compiled are shared: all types of one file have most of theirs in common. */
const ajv = new Ajv({ allErrors: true, verbose: true, inlineRefs: false, code: { optimize: false } })
const references = new Map<string, string>()

/**
 * What of a value is not as the type of that name has it: members that are missing, values of another kind, words that
 * cannot be. Members of our own are let pass.
 */
export function faultsOf(value: unknown, type: string): string[] {
  const reference = references.get(type) ?? addType(type)
  const validate = ajv.getSchema(reference)
  if (!validate) throw new Error(`no schema ${reference}`)
  return validate(value) ? [] : told(value, validate.errors ?? [])
}

/** Each definition is a schema of its own, so that one of a later type may join. */
function addType(type: string): string {
  const { $ref = '' } = schemas.of(typeOf(type))
  for (const [id, definition] of Object.entries(schemas.definitions))
    if (!ajv.schemas[id]) ajv.addSchema(definition, id)
  references.set(type, $ref)
  return $ref
}

const tags = new Set(['type', 'role', 'object'])

/**
 * A union says of every branch what is wrong. What is told: first what lacks members and has the tag of the branch,
 * then what is deepest and no tag.
 */
function told(value: unknown, errors: readonly ErrorObject[]): string[] {
  const isTag = ({ instancePath, keyword }: ErrorObject) =>
    (keyword === 'const' || keyword === 'enum') && tags.has(instancePath.split('/').at(-1) ?? '')
  const isMeant = ({ keyword, parentSchema, data }: ErrorObject) =>
    keyword === 'required' && hasTag(parentSchema?.properties, data)
  const inner = errors.filter((error) => error.keyword !== 'anyOf' && !isTag(error))
  const shown = [errors.filter(isMeant), inner, errors].find((some) => some.length > 0) ?? []
  const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length
  const deepest = Math.max(...shown.map(depth))
  const lines = shown
    .filter((error) => depth(error) === deepest)
    .map(({ instancePath, message, params }) => {
      const words = 'allowedValues' in params ? `: ${String(params.allowedValues)}` : ''
      return `${instancePath} ${message}${words}, not ${JSON.stringify(at(value, instancePath))}`.slice(0, 300)
    })
  return [...new Set(lines)].slice(0, 5)
}

function hasTag(properties: Record<string, Schema> | undefined, data: unknown): boolean {
  if (typeof data !== 'object' || data === null) return false
  return Object.entries(data).some(([name, value]) => tags.has(name) && value === properties?.[name]?.const)
}

function at(value: unknown, path: string): unknown {
  return path
    .split('/')
    .slice(1)
    .reduce<unknown>((inner, name) => {
      const members = typeof inner === 'object' && inner !== null ? Object.entries(inner) : []
      return members.find(([key]) => key === name)?.[1]
    }, value)
}
