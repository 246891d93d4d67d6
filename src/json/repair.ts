import { isRecord, parseJson } from '../core/json.ts'
import type { Tool } from '../core/request.ts'
import { legalToolName } from '../core/tool-names.ts'
import { readJson } from './lenient-json.ts'

export type Repaired = { ok: true; value: Record<string, unknown> } | { ok: false }

/**
 * The arguments of a call as the object that its schema requires; `ok: false` if they cannot be read.
 *
 * `raw` is JSON text, almost-JSON text or a parsed value. Missing arguments and placeholders (`null`, `[]`, `""`)
 * become an empty object. An object that is repeated counts once, with or without placeholders beside it. Values of the
 * wrong type are converted if the schema leaves only one way to do so (`"3"` for an integer, `7` for a string). Values
 * that cannot be converted and unknown keys are kept: the client validates them, and its error message helps the model
 * more than one from the gateway.
 */
export function repairArguments(raw: unknown, schema: Record<string, unknown>): Repaired {
  const value = convertTo(unwrap(raw), schema, createRepairBudget(schema), 0)
  return isRecord(value) ? { ok: true, value } : { ok: false }
}

/**
 * Arguments from plain texts, as in `<arg_value>`: a string if the schema allows one, otherwise parsed as JSON if
 * possible. `null` is the value null if the schema allows null.
 */
export function typedArguments(texts: ReadonlyMap<string, string>, schema: Record<string, unknown>) {
  const work = createRepairBudget(schema)
  return Object.fromEntries(
    [...texts].map(([key, text]): [string, unknown] => {
      const rules = memberRules(resolve(schema, schema) ?? {}, key)
      if (text.trim() === 'null' && admits('null', rules, work, 0)) return [key, null]
      return [key, admits('string', rules, work, 0) ? text : (parsed(text) ?? text)]
    }),
  )
}

/**
 * `repairArguments` for JSON text. Text that fits or cannot be read is kept as written, because parsing would round
 * long numbers.
 */
export function repairedText(text: string, schema: Record<string, unknown>): string {
  const repaired = repairArguments(text, schema)
  if (!repaired.ok) return text
  const written = innermost(text)
  const value = parseJson(written)
  return isRecord(value) && sameValue(value, repaired.value) ? written.trim() : JSON.stringify(repaired.value)
}

/** Whether the text after complete arguments is empty or only repeats them. */
export function restatesArguments(text: string, value: unknown, schema: Record<string, unknown>): boolean {
  if (/^[\s}\]]*$/.test(text)) return true
  const work = createRepairBudget(schema)
  const values = readJson(text)?.map(unwrap)
  return values?.every((one) => isPlaceholder(one) || sameValue(convertTo(one, schema, work, 0), value)) ?? false
}

/** What a schema says about one member of the arguments. */
export interface MemberRule {
  /** Any string is accepted unchanged, so it can be sent before its end has arrived. */
  takesString: boolean
  /** Returns the same list or object if it fits. */
  mend(value: unknown): unknown
}

/** The rule for each member; `undefined` if members cannot be checked one by one. */
export function memberRulesOf(schema: Record<string, unknown>): ((key: string) => MemberRule) | undefined {
  const root = resolve(schema, schema) ?? {}
  if (alternatives(root).length > 0 || root.allOf !== undefined) return undefined
  const work = createRepairBudget(schema)
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

/** The declared tool that a written name means; `undefined` if it means none or several. */
export function toolNamed(name: string, tools: readonly Tool[]): Tool | undefined {
  const exact = tools.find((tool) => tool.name === name)
  if (exact !== undefined) return exact
  // The client's own name for a tool whose name was replaced for this upstream; the conversation may contain it.
  const legalName = legalToolName(name)
  const renamed = tools.find((tool) => tool.name === legalName)
  if (renamed !== undefined) return renamed
  const matching = tools.filter((tool) => normalisedName(tool.name) === normalisedName(name))
  return matching.length === 1 ? matching[0] : undefined
}

function normalisedName(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/^functions\./, '')
    .replaceAll('-', '_')
}

/** JSON strings inside each other; more than this has not been seen. */
const maxLayers = 4

/** Parses arguments that are text, or even text inside text: one JSON string inside another. */
function unwrap(raw: unknown): unknown {
  let value: unknown = raw ?? {}
  for (let layer = 0; layer < maxLayers && typeof value === 'string'; layer++) value = soleValue(value)
  if (Array.isArray(value) && value.length === 1 && isRecord(value[0])) return value[0]
  return isPlaceholder(value) ? {} : value
}

/** The innermost text of a JSON string that only holds another JSON value. */
function innermost(text: string): string {
  let inner = text
  for (let layer = 1; layer < maxLayers; layer++) {
    const value = parseJson(inner)
    if (typeof value !== 'string') break
    inner = value
  }
  return inner
}

/** A code block and nothing else. */
const fenced = /^\s*```\w*\n([\s\S]*)\n```\s*$/

/**
 * The value of a text that holds one value, repeated or not, with or without placeholders; `{}` if there are only
 * placeholders.
 */
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

/** Deeper values are not converted. */
const maxDepth = 10

/**
 * Nested alternatives multiply the cost, and no other request is answered meanwhile. After this many steps, about 30
 * ms, the rest is not converted.
 */
const maxWork = 25_000

interface RepairBudget {
  root: Schema
  /** Steps that are left. */
  left: number
}

function createRepairBudget(root: Schema): RepairBudget {
  return { root, left: maxWork }
}

/** Counts one step, and more for `members` list items or characters that native code scans. */
function charge(work: RepairBudget, members = 0): boolean {
  work.left -= 1 + members / 16
  return work.left > 0
}

/** Number of schema items that are scanned for one value. */
function sizeOf({ type, enum: values, required, anyOf, oneOf, $ref }: Schema): number {
  return lengthOf(type) + lengthOf(values) + lengthOf(required) + lengthOf(anyOf) + lengthOf(oneOf) + lengthOf($ref)
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) || typeof value === 'string' ? value.length : 0
}

function convertTo(value: unknown, schema: unknown, work: RepairBudget, depth: number): unknown {
  const rules = resolve(schema, work.root)
  if (!rules || depth > maxDepth || !charge(work, sizeOf(rules))) return value
  const chosen = choose(value, rules, work, depth + 1)
  const converted = hasType(chosen, rules) ? chosen : convert(chosen, rules, work)
  // The same list or object is returned if nothing changes in it, so that no copy need be compared.
  if (Array.isArray(converted)) {
    const items = converted.map((item, index) => convertTo(item, itemRules(rules, index), work, depth + 1))
    return items.every((item, index) => item === converted[index]) ? converted : items
  }
  if (!isRecord(converted)) return converted
  const members = Object.entries(converted).map(([key, item]): [string, unknown] => [
    key,
    convertTo(item, memberRules(rules, key), work, depth + 1),
  ])
  return members.every(([key, item]) => item === converted[key]) ? converted : Object.fromEntries(members)
}

/** Converts a value to every schema of `allOf`, and to the first alternative that accepts it as it is or converted. */
function choose(value: unknown, rules: Schema, work: RepairBudget, depth: number): unknown {
  let base = value
  for (const schema of listOf(rules.allOf)) if (work.left > 0) base = convertTo(base, schema, work, depth)
  const choices = alternatives(rules)
  const fitting = choices.find((schema) => accepts(base, schema, work, 1))
  if (fitting !== undefined) return convertTo(base, fitting, work, depth)
  for (const schema of choices) {
    if (work.left <= 0) break
    const converted = convertTo(base, schema, work, depth)
    if (accepts(converted, schema, work, 1)) return converted
  }
  return base
}

/** Compares `levels` deep: that is where alternatives usually differ. */
function accepts(value: unknown, schema: unknown, work: RepairBudget, levels: number): boolean {
  const rules = resolve(schema, work.root)
  if (!rules) return true
  // Out of steps: no alternative counts as accepted.
  if (!charge(work, sizeOf(rules)) || !hasType(value, rules)) return false
  if (Object.hasOwn(rules, 'const') && rules.const !== value) return false
  if (Array.isArray(rules.enum) && !rules.enum.includes(value)) return false
  if (!isRecord(value) || levels === 0) return true
  return (
    listOf(rules.required).every((key) => typeof key === 'string' && Object.hasOwn(value, key)) &&
    Object.entries(value).every(([key, item]) => accepts(item, memberRules(rules, key), work, levels - 1))
  )
}

/** Converts a value to another type; a value that cannot be converted is returned unchanged. */
function convert(value: unknown, rules: Schema, work: RepairBudget): unknown {
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

/** The JSON types that a schema allows; `undefined` if it does not say. */
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

/** Whether a schema or one of its parts allows the type. */
function admits(type: 'string' | 'null', schema: unknown, work: RepairBudget, depth: number): boolean {
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

/** Follows `#/$defs/…`, at most eight times, because a reference may lead to itself. */
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
