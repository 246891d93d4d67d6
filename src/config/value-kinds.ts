import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { parseJson } from '../core/json.ts'
import { visibleWord } from '../core/visible-name.ts'

/** A type of setting: the allowed values, and how a text from a flag, a variable or a default becomes one. */
export interface ValueKind<S extends TSchema = TSchema> {
  /** Validates the value from any source. */
  schema: S
  /** Converts text to a value that `schema` then validates. Empty text becomes `undefined`, `[]` or `{}`. */
  read(text: string): unknown
  /** Completes the sentence "must be …". */
  allowed: string
  /** Stands for the value in help: `--port NUMBER`. */
  placeholder: string
  /** For values with several fields: the path and the error. `undefined` if `allowed` is enough of an explanation. */
  problem?(value: unknown): string | undefined
}

/** A single word. Empty text becomes `undefined`. */
export function word<S extends TSchema>(placeholder: string, allowed: string, schema: S): ValueKind<S> {
  return { schema, read: (text) => text || undefined, allowed, placeholder }
}

export function name(placeholder: string) {
  return word(placeholder, 'a name without spaces', visible)
}

/** Names are printed and sent to clients. */
const visible = Type.String({ pattern: visibleWord })

const printable = Type.String({ pattern: '^[\\x21-\\x7e]+$' })

/** A key or token. It is sent in an HTTP header, so only printable ASCII is allowed. */
export const secret = word('KEY', 'printable ASCII without spaces', Type.Union([printable, Type.Undefined()]))

export const secrets = list('KEYS', 'keys of printable ASCII, separated by commas', printable)

/** `lowest` and `highest` are inclusive. */
export function wholeNumber(lowest: number, highest = Number.MAX_SAFE_INTEGER) {
  const allowed =
    highest === Number.MAX_SAFE_INTEGER
      ? `a whole number, ${lowest} or more`
      : `a whole number from ${lowest} to ${highest}`
  const read = (text: string) => (/^[+-]?\d+$/.test(text) ? Number(text) : undefined)
  return {
    schema: Type.Integer({ minimum: lowest, maximum: highest }),
    read,
    allowed,
    placeholder: 'NUMBER',
  } satisfies ValueKind
}

const switchWords = new Map([
  ...['true', '1', 'yes', 'on'].map((text) => [text, true] as const),
  ...['false', '0', 'no', 'off'].map((text) => [text, false] as const),
])

/** A boolean. As a flag it needs no value, and `--no-…` sets it to false. */
export const onOff = {
  schema: Type.Boolean(),
  read: (text) => switchWords.get(text.toLowerCase()),
  allowed: 'true or false',
  placeholder: 'BOOL',
} satisfies ValueKind

export function choice<const Words extends readonly string[]>(words: Words) {
  return {
    schema: Type.Union(words.map((text: Words[number]) => Type.Literal(text))),
    read: (text) => text.toLowerCase(),
    allowed: disjunction(words),
    placeholder: words.join('|'),
  } satisfies ValueKind
}

/** Items separated by commas or white space. Duplicates are removed. */
export function list<Item extends TSchema>(placeholder: string, allowed: string, item: Item) {
  return {
    schema: Type.Array(item, { uniqueItems: true }),
    read: (text) => [...new Set(text.split(/[\s,]+/).filter((entry) => entry !== ''))],
    allowed,
    placeholder,
  } satisfies ValueKind
}

export const httpUrl = {
  ...word(
    'URL',
    'an http(s) URL with a path and without user name',
    Type.String({ pattern: '^https?://[^/@]+/\\S+$' }),
  ),
  read: (text) => (URL.canParse(text) ? new URL(text).href : undefined),
} satisfies ValueKind

/** Maps names to names: `a=b,c=d`, a JSON object, or a TOML table. The order is kept. */
export const nameMap = {
  schema: Type.Record(visible, visible, { additionalProperties: false }),
  read: (text) => (text.startsWith('{') ? parseJson(text) : pairs(text)),
  allowed: 'name=model pairs separated by commas, or a JSON object of them',
  placeholder: 'PAIRS',
} satisfies ValueKind

function pairs(text: string): Record<string, string> | undefined {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '')
  const split = entries.flatMap((entry) => {
    const [, left, right] = /^([^=]+)=(.+)$/.exec(entry) ?? []
    return left === undefined || right === undefined ? [] : [[left, right] as const]
  })
  return split.length === entries.length ? Object.fromEntries(split) : undefined
}

function disjunction(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

export type ValueOf<K extends ValueKind> = Static<K['schema']>
