import { type SchemaOptions, type TSchema, Type } from '@sinclair/typebox'

/** The last instant of a JavaScript date. */
const lastInstant = 8_640_000_000_000_000

/** Milliseconds since 1970, UTC. */
export const instant = (description?: string) =>
  Type.Integer({ minimum: 0, maximum: lastInstant, ...described(description) })

/** Milliseconds. */
export const duration = (description?: string) => Type.Number({ minimum: 0, ...described(description) })

/** A whole number that both databases can store. */
export const count = (description?: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, ...described(description) })

/** Credits of a plan, or US dollars. */
export const amount = (description?: string) => Type.Number({ minimum: 0, ...described(description) })

/** `to` is exclusive. */
export const span = () => Type.Object({ from: instant(), to: instant() })

/** Absent where it is not known: never zero, never a guess. */
export const optional = <Schema extends TSchema>(schema: Schema) => Type.Optional(schema)

/** One of these words. */
export function word<const Words extends readonly string[]>(words: Words, options: SchemaOptions = {}) {
  const literals = words.map((each: Words[number]) => Type.Literal(each))
  return Type.Union(literals, options)
}

function described(description: string | undefined) {
  return description === undefined ? {} : { description }
}
