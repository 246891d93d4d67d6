import { isRecord, parseJson } from '../core/json.ts'
import type { Tool } from '../core/request.ts'
import { legalToolName } from '../core/tool-names.ts'
import { readJson } from './lenient-json.ts'

export type Repaired = { ok: true; value: Record<string, unknown> } | { ok: false }

/**
 * The arguments of a call as the object its schema asks for, or `ok: false` when they cannot be read.
 *
 * `raw` is JSON text, nearly-JSON text or a parsed value; none at all is an empty object, and so is a placeholder
 * (`null`, `[]`, `""`). The same object said more than once counts once, with placeholders beside it or not. Values of
 * the wrong type
 * are converted where the schema leaves one way to do it (`"3"` for an integer, `7` for a string). What cannot be
 * converted and keys the schema does not know stay as they are: the client validates, and its refusal teaches the
 * model more than ours would.
 */
export function repairArguments(raw: unknown, schema: Record<string, unknown>): Repaired {
  const value = convertTo(unwrap(raw), schema, workBy(schema), 0)
  return isRecord(value) ? { ok: true, value } : { ok: false }
}

/**
 * Arguments written as plain texts, as in `<arg_value>`: a string where the schema says so, else JSON if it is JSON.
 * `null` is no string where the schema knows null as well.
 */
export function typedArguments(texts: ReadonlyMap<string, string>, schema: Record<string, unknown>) {
  const work = workBy(schema)
  return Object.fromEntries(
    [...texts].map(([key, text]): [string, unknown] => {
      const rules = memberRules(resolve(schema, schema) ?? {}, key)
      if (text.trim() === 'null' && admits('null', rules, work, 0)) return [key, null]
      return [key, admits('string', rules, work, 0) ? text : (parsed(text) ?? text)]
    }),
  )
}

/** The same as JSON text. What fits, and what cannot be read, stays as it was written: long numbers would be rounded. */
export function repairedText(text: string, schema: Record<string, unknown>): string {
  const repaired = repairArguments(text, schema)
  if (!repaired.ok) return text
  const written = innermost(text)
  const value = parseJson(written)
  return isRecord(value) && sameValue(value, repaired.value) ? written.trim() : JSON.stringify(repaired.value)
}

/** Whether what stands behind whole arguments only says them again, or nothing. */
export function restatesArguments(text: string, value: unknown, schema: Record<string, unknown>): boolean {
  if (/^[\s}\]]*$/.test(text)) return true
  const work = workBy(schema)
  const again = readJson(text)?.map(unwrap)
  return again?.every((one) => isPlaceholder(one) || sameValue(convertTo(one, schema, work, 0), value)) ?? false
}

/** What a schema says of one member of the arguments. */
export interface MemberRule {
  /** A string is taken as it is, so that it may be sent on before its end has come. */
  takesString: boolean
  mend(value: unknown): unknown
}

/** The rules for each member, or `undefined` where members cannot be judged one by one. */
export function memberRulesOf(schema: Record<string, unknown>): ((key: string) => MemberRule) | undefined {
  const root = resolve(schema, schema) ?? {}
  if (alternatives(root).length > 0 || root.allOf !== undefined) return undefined
  const work = workBy(schema)
  return (key) => {
    const member = memberRules(root, key)
    const rules = resolve(member, schema)
    const isPlain = rules === undefined || (alternatives(rules).length === 0 && rules.allOf === undefined)
    return {
      takesString: isPlain && (rules === undefined || hasType('', rules)),
      mend: (value) => convertTo(value, member, work, 1),
    }
  }
}

export function sameValue(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

/** The declared tool a written name means, or `undefined` when it means none or more than one. */
export function repairName(name: string, tools: readonly Tool[]): string | undefined {
  if (tools.some((tool) => tool.name === name)) return name
  // The client's own name, which the conversation may tell, for a tool that goes by another upstream.
  const legal = legalToolName(name)
  if (tools.some((tool) => tool.name === legal)) return legal
  const meant = tools.filter((tool) => plain(tool.name) === plain(name))
  return meant.length === 1 ? meant[0]?.name : undefined
}

function plain(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/^functions\./, '')
    .replaceAll('-', '_')
}

/** JSON strings inside each other: more of them nobody has seen. */
const maxLayers = 4

/** Arguments may be text, and even text of text: one JSON string inside another. */
function unwrap(raw: unknown): unknown {
  let value: unknown = raw ?? {}
  for (let layer = 0; layer < maxLayers && typeof value === 'string'; layer++) value = soleValue(value)
  if (Array.isArray(value) && value.length === 1 && isRecord(value[0])) return value[0]
  return isPlaceholder(value) ? {} : value
}

/** The text inside all strings that are nothing but a JSON value in a string. */
function innermost(text: string): string {
  let inner = text
  for (let layer = 1; layer < maxLayers; layer++) {
    const value = parseJson(inner)
    if (typeof value !== 'string') break
    inner = value
  }
  return inner
}

/** A code block and nothing beside it. */
const fenced = /^\s*```\w*\n([\s\S]*)\n```\s*$/

/** Of a text that says one value, maybe again and again, beside placeholders or not. A placeholder where it says no other. */
function soleValue(text: string): unknown {
  if (text.trim() === '') return {}
  const values = readJson(fenced.exec(text)?.[1] ?? text)
  if (values === undefined) return undefined
  const [first, ...others] = values.filter((value) => !isPlaceholder(value))
  if (first === undefined) return {}
  return others.every((other) => sameValue(other, first)) ? first : undefined
}

function isPlaceholder(value: unknown): boolean {
  if (value === null || value === '') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function parsed(text: string): unknown {
  const values = readJson(text)
  return values?.length === 1 ? values[0] : undefined
}

type Schema = Record<string, unknown>

/** Deeper values are taken as they are. */
const maxDepth = 10

/**
 * Alternatives within alternatives multiply the cost, and nobody else is answered meanwhile: beyond so many steps, about
 * 30 ms, all that is left is taken as it is.
 */
const mostWork = 25_000

interface Work {
  root: Schema
  /** Steps. */
  left: number
}

function workBy(root: Schema): Work {
  return { root, left: mostWork }
}

/** Pays for the members of lists that are looked through by the engine, or for so many characters. */
function charge(work: Work, members = 0): boolean {
  work.left -= 1 + members / 16
  return work.left > 0
}

/** Everything in a schema that is looked through for one value. */
function sizeOf({ type, enum: values, required, anyOf, oneOf, $ref }: Schema): number {
  return lengthOf(type) + lengthOf(values) + lengthOf(required) + lengthOf(anyOf) + lengthOf(oneOf) + lengthOf($ref)
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) || typeof value === 'string' ? value.length : 0
}

function convertTo(value: unknown, schema: unknown, work: Work, depth: number): unknown {
  const rules = resolve(schema, work.root)
  if (!rules || depth > maxDepth || !charge(work, sizeOf(rules))) return value
  const chosen = choose(value, rules, work, depth + 1)
  const converted = hasType(chosen, rules) ? chosen : convert(chosen, rules, work)
  if (Array.isArray(converted))
    return converted.map((item, index) => convertTo(item, itemRules(rules, index), work, depth + 1))
  if (!isRecord(converted)) return converted
  return Object.fromEntries(
    Object.entries(converted).map(([key, item]) => [key, convertTo(item, memberRules(rules, key), work, depth + 1)]),
  )
}

/** Fits every schema of `allOf`, and of the alternatives the first that accepts the value as it is or once fitted. */
function choose(value: unknown, rules: Schema, work: Work, depth: number): unknown {
  let base = value
  for (const schema of listOf(rules.allOf)) if (work.left > 0) base = convertTo(base, schema, work, depth)
  const choices = alternatives(rules)
  const fitting = choices.find((schema) => accepts(base, schema, work, 1))
  if (fitting !== undefined) return convertTo(base, fitting, work, depth)
  for (const schema of choices) {
    if (work.left <= 0) break
    const fitted = convertTo(base, schema, work, depth)
    if (accepts(fitted, schema, work, 1)) return fitted
  }
  return base
}

/** Looks `levels` deep, which is where alternatives tell themselves apart. */
function accepts(value: unknown, schema: unknown, work: Work, levels: number): boolean {
  const rules = resolve(schema, work.root)
  if (!rules) return true
  // Without an answer none is the right one.
  if (!charge(work, sizeOf(rules)) || !hasType(value, rules)) return false
  if (Object.hasOwn(rules, 'const') && rules.const !== value) return false
  if (Array.isArray(rules.enum) && !rules.enum.includes(value)) return false
  if (!isRecord(value) || levels === 0) return true
  return (
    listOf(rules.required).every((key) => typeof key === 'string' && Object.hasOwn(value, key)) &&
    Object.entries(value).every(([key, item]) => accepts(item, memberRules(rules, key), work, levels - 1))
  )
}

/** One type to another; a value that cannot be converted is returned as it is. */
function convert(value: unknown, rules: Schema, work: Work): unknown {
  if (typeof value === 'string') {
    charge(work, value.length)
    const read = parsed(value.trim())
    return read !== undefined && hasType(read, rules) ? read : value
  }
  if (value === null || value === undefined || !typesOf(rules)?.includes('string')) return value
  if (typeof value !== 'object') return String(value)
  const text = JSON.stringify(value)
  charge(work, text.length)
  return text
}

function hasType(value: unknown, rules: Schema): boolean {
  const types = typesOf(rules)
  if (!types) return true
  return types.includes(typeOf(value)) || (Number.isInteger(value) && types.includes('integer'))
}

/** The JSON types a schema admits, or `undefined` when it does not say. */
function typesOf(rules: Schema): unknown[] | undefined {
  const nullable = rules.nullable === true ? ['null'] : []
  if (rules.type !== undefined) return [...listOf(rules.type), ...nullable]
  if (Object.hasOwn(rules, 'const')) return [typeOf(rules.const), ...nullable]
  if (Array.isArray(rules.enum)) return [...rules.enum.map(typeOf), ...nullable]
  if (rules.properties !== undefined) return ['object', ...nullable]
  return rules.items === undefined ? undefined : ['array', ...nullable]
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** Whether a schema says of itself or in one of its parts that a value may have the type. */
function admits(type: 'string' | 'null', schema: unknown, work: Work, depth: number): boolean {
  const rules = resolve(schema, work.root)
  if (!rules || depth > maxDepth || !charge(work, sizeOf(rules))) return false
  if (typesOf(rules)?.includes(type)) return true
  return [...alternatives(rules), ...listOf(rules.allOf)].some((part) => admits(type, part, work, depth + 1))
}

function alternatives(rules: Schema): unknown[] {
  return [...listOf(rules.anyOf), ...listOf(rules.oneOf)]
}

function memberRules(rules: Schema, key: string): unknown {
  const { properties, additionalProperties } = rules
  return isRecord(properties) && Object.hasOwn(properties, key) ? properties[key] : additionalProperties
}

function itemRules(rules: Schema, index: number): unknown {
  const placed = listOf(rules.prefixItems)[index]
  return placed ?? (Array.isArray(rules.items) ? rules.items[index] : rules.items)
}

/** Follows `#/$defs/…`, at most eight hops: a careless reference leads to itself. */
function resolve(schema: unknown, root: Schema): Schema | undefined {
  let rules = schema
  for (let hop = 0; hop < 8 && isRecord(rules) && typeof rules.$ref === 'string'; hop++)
    rules = rules.$ref
      .split('/')
      .slice(1)
      .reduce<unknown>((at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined), root)
  return isRecord(rules) ? rules : undefined
}

function listOf(value: unknown): unknown[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}
