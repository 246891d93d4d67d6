import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { parseJson } from '../core/json.ts'

/** What a value may be, and how it is written as text in a flag, a variable or a default. */
export interface Kind<S extends TSchema = TSchema> {
  /** Judges the value, wherever it came from. */
  schema: S
  /** Text to a candidate for `schema`; the empty text is the kind's own "nothing": `undefined`, `[]`, `{}`. */
  read(text: string): unknown
  /** Ends the sentence "must be …". */
  allowed: string
  /** Stands for the value in help: `--port NUMBER`. */
  placeholder: string
  /** What is wrong where in a value of many parts; `undefined` where `allowed` says it all. */
  problem?(value: unknown): string | undefined
}

/** One printable word; `allowed` says which. */
export function word<S extends TSchema>(placeholder: string, allowed: string, schema: S): Kind<S> {
  return { schema, read: (text) => text || undefined, allowed, placeholder }
}

export function name(placeholder: string) {
  return word(placeholder, 'a name without spaces', visible)
}

/** Without spaces, and without characters that a terminal obeys or nobody sees: names are printed and handed to clients. */
const visible = Type.String({
  pattern: '^[^\\s\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f]+$',
})

const printable = Type.String({ pattern: '^[\\x21-\\x7e]+$' })

/** A key or token: it travels in an HTTP header, which holds nothing but printable ASCII. */
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
  } satisfies Kind
}

const switchWords = new Map([
  ...['true', '1', 'yes', 'on'].map((text) => [text, true] as const),
  ...['false', '0', 'no', 'off'].map((text) => [text, false] as const),
])

/** On or off; as a flag it may stand alone, and `--no-…` is its opposite. */
export const onOff = {
  schema: Type.Boolean(),
  read: (text) => switchWords.get(text.toLowerCase()),
  allowed: 'true or false',
  placeholder: 'BOOL',
} satisfies Kind

export function choice<const Words extends readonly string[]>(words: Words) {
  return {
    schema: Type.Union(words.map((text: Words[number]) => Type.Literal(text))),
    read: (text) => text.toLowerCase(),
    allowed: disjunction(words),
    placeholder: words.join('|'),
  } satisfies Kind
}

/** Separated by commas or white space; said twice is said once. */
export function list<Item extends TSchema>(placeholder: string, allowed: string, item: Item) {
  return {
    schema: Type.Array(item, { uniqueItems: true }),
    read: (text) => [...new Set(text.split(/[\s,]+/).filter((entry) => entry !== ''))],
    allowed,
    placeholder,
  } satisfies Kind
}

export const httpUrl = {
  ...word(
    'URL',
    'an http(s) URL with a path and without user name',
    Type.String({ pattern: '^https?://[^/@]+/\\S+$' }),
  ),
  read: (text) => (URL.canParse(text) ? new URL(text).href : undefined),
} satisfies Kind

/** Name to name: `a=b,c=d`, a JSON object, or a TOML table. The order is kept. */
export const nameMap = {
  schema: Type.Record(Type.String(), visible),
  read: (text) => (text.startsWith('{') ? parseJson(text) : pairs(text)),
  allowed: 'name=model pairs separated by commas, or a JSON object of them',
  placeholder: 'PAIRS',
} satisfies Kind

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

export type ValueOf<K extends Kind> = Static<K['schema']>
