import { isRecord } from './json.ts'
import type { ChatRequest } from './request.ts'

/** Keywords whose value is example data, in which null is a legal value. */
const isValue = new Set(['const', 'default', 'example'])
/** Keywords whose value is a list of example data. */
const listsValues = new Set(['enum', 'examples'])
/** Keywords whose value is an object that maps names chosen by the client to schemas. */
const holdsNamedSchemas = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])

/**
 * A JSON schema without keywords whose value is null: generators write `"required": null` for settings they leave open,
 * and servers reject it. A schema that is null becomes `{}`, which allows anything; a type that is null becomes
 * `"null"`. A schema without such keywords is returned as it is, not copied.
 */
export function withoutNullKeywords<Schema extends Record<string, unknown>>(schema: Schema): Schema
export function withoutNullKeywords(schema: Record<string, unknown>): Record<string, unknown> {
  return holdsNull(schema) ? cleanedSchema(schema) : schema
}

/** Most schemas hold no null anywhere, which is seen in a small part of the time that it takes to rebuild them. */
function holdsNull(value: unknown): boolean {
  if (value === null) return true
  if (Array.isArray(value)) return value.some(holdsNull)
  if (!isRecord(value)) return false
  for (const name in value) if (holdsNull(value[name])) return true
  return false
}

function cleanedSchema(schema: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(schema)
  const used = entries.filter(([key, value]) => value !== null || isValue.has(key))
  const whole = used.map(([key, value]): [string, unknown] => [key, cleaned(key, value)])
  const isSame = used.length === entries.length && whole.every(([, value], index) => value === entries[index]?.[1])
  return isSame ? schema : Object.fromEntries(whole)
}

function cleaned(key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isValue.has(key) || listsValues.has(key)) return value
  if (Array.isArray(value)) return cleanedList(key, value)
  if (!isRecord(value)) return value
  if (!holdsNamedSchemas.has(key)) return cleanedSchema(value)
  const entries = Object.entries(value)
  const whole = entries.map(([name, schema]): [string, unknown] => [name, schema === null ? {} : cleaned('', schema)])
  return whole.every(([, schema], index) => schema === entries[index]?.[1]) ? value : Object.fromEntries(whole)
}

/** `anyOf`, `required`, `type` and the like. */
function cleanedList(key: string, list: readonly unknown[]): readonly unknown[] {
  const used = key === 'type' ? list.map((type) => type ?? 'null') : list.filter((item) => item !== null)
  const whole = used.map((item) => cleaned('', item))
  return whole.length === list.length && whole.every((item, index) => item === list[index]) ? list : whole
}

/** A request whose tools and output format have no such keywords. */
export function withCleanSchemas(request: ChatRequest): ChatRequest {
  const { tools, output } = request
  const clean = tools.map((tool) => {
    const parameters = withoutNullKeywords(tool.parameters)
    return parameters === tool.parameters ? tool : { ...tool, parameters }
  })
  const schema = output.type === 'json' && output.schema ? withoutNullKeywords(output.schema) : undefined
  const isSame = clean.every((tool, index) => tool === tools[index])
  if (output.type !== 'json' || schema === undefined || schema === output.schema)
    return isSame ? request : { ...request, tools: clean }
  return { ...request, tools: clean, output: { ...output, schema } }
}
