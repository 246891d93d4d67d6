import type { TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value'
import { GatewayError } from '../core/errors.ts'

/** Errors: `invalid-request`, naming the field. */
export type BodyCheck = (body: unknown) => void

export function bodyCheck(schema: TSchema): BodyCheck {
  // Compiled for the first body and not at the start, because most gateways receive only one dialect.
  let fits: TypeCheck<TSchema> | undefined
  return (body) => {
    fits ??= TypeCompiler.Compile(schema)
    if (!fits.Check(body)) throw invalidBody(schema, body)
  }
}

/** The error for the first invalid field, with its path: `messages.2.content.0.type`. */
export function invalidBody(schema: TSchema, body: unknown): GatewayError {
  const first = Value.Errors(schema, body).First()
  if (!first) return new GatewayError('invalid-request', 'The request body does not fit.')
  const error = deepest(first)
  const param = error.path.slice(1).replaceAll('/', '.') || undefined
  return new GatewayError('invalid-request', `${param ?? 'body'}: ${explain(error)}`, { ...(param ? { param } : {}) })
}

/**
 * If no branch of a union matches, the error is about the branch that matched furthest, because the client probably
 * meant it.
 */
function deepest(error: ValueError): ValueError {
  if (error.type !== ValueErrorType.Union) return error
  const branches = error.errors.map(firstErrors)
  // A branch whose tag (`type`, `role`) is another constant was not meant, however deep its other errors are.
  const untagged = branches.filter((errors) => !errors.some((inner) => isTag(inner, error.path)))
  // Beside branches with tags, a branch for another kind of value (a string) was not meant, either.
  const isOfKind = (errors: readonly ValueError[]) => errors[0]?.path !== error.path
  const meant = untagged.length < branches.length ? untagged.filter(isOfKind) : untagged
  if (meant.length === 0) {
    const tags = branches.flatMap((errors) => errors.filter((inner) => isTag(inner, error.path)))
    const tag = tags.find(({ type }) => type !== ValueErrorType.ObjectRequiredProperty) ?? tags[0]
    if (!tag) return error
    return { ...tag, message: `Expected one of ${constants(tags.filter(({ path }) => path === tag.path))}` }
  }
  const firsts = meant.flatMap((errors) => (errors[0] ? [deepest(errors[0])] : []))
  const best = firsts.reduce((best, next) => (depth(next) > depth(best) ? next : best), error)
  if (best !== error) return best
  const expected = new Set(firsts.map(({ message }) => message.replace(/^Expected /, '')))
  return { ...error, message: `Expected ${[...expected].join(' or ')}` }
}

/** A list of 100,000 parts has as many errors. The first ones are enough to find the branch. */
const mostErrors = 100

function firstErrors(branch: Iterable<ValueError>): ValueError[] {
  const errors: ValueError[] = []
  for (const error of branch) if (errors.push(error) === mostErrors) break
  return errors
}

/**
 * The errors of a tag (`type`, `role`) that excludes its branch of a union: it is another constant, is not one of several,
 * belongs to a branch of its own, or is missing.
 */
const tagErrors = new Set([
  ValueErrorType.Literal,
  ValueErrorType.Union,
  ValueErrorType.StringPattern,
  ValueErrorType.ObjectRequiredProperty,
])

/** Whether an error is about the tag of the value at `path`. */
function isTag(error: ValueError, path: string): boolean {
  return (
    tagErrors.has(error.type) && /^\/(?:type|role)$/.test(error.path.slice(path.length)) && error.path.startsWith(path)
  )
}

function constants(tags: readonly ValueError[]): string {
  const values = tags
    .flatMap(({ schema }): TSchema[] => schema.anyOf ?? [schema])
    .flatMap((schema) => ('const' in schema ? [JSON.stringify(schema.const)] : []))
  return [...new Set(values)].join(', ')
}

function depth(error: ValueError): number {
  return error.path.split('/').length
}

function explain(error: ValueError): string {
  if (error.type === ValueErrorType.ObjectRequiredProperty) return 'this field is required'
  if (error.type === ValueErrorType.StringMaxLength)
    return `expected at most ${error.schema.maxLength} characters, got ${String(error.value).length}`
  const message = error.message.charAt(0).toLowerCase() + error.message.slice(1)
  return `${message}, got ${kindOf(error.value, expectsWord(error.schema))}`
}

/** Whether one of a few words is expected. Then the value is a misspelt word and no prompt, and can be shown. */
function expectsWord(schema: TSchema): boolean {
  return [schema, ...(schema.anyOf ?? [])].some((one) => 'const' in one)
}

/** The type of a value in place of the value, because bodies contain prompts and errors are logged. */
function kindOf(value: unknown, showWord: boolean): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'string') return showWord && /^[\w.-]{0,40}$/.test(value) ? JSON.stringify(value) : 'a string'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value === undefined ? 'nothing' : 'an object'
}
