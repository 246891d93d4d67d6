import { type TLiteral, type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** An object with any further keys: clients and servers send unknown fields, and none of them is an error. */
export const open = <Properties extends TProperties>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: true })

export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** A field that may be missing or null. */
export const maybe = <Schema extends TSchema>(schema: Schema) => Type.Optional(orNull(schema))

/** The expected types. Any other value is accepted, too. */
export const orElse = (...schemas: TSchema[]) => Type.Union([Type.Unknown(), ...schemas])

/** One schema for each word, for a union of them. */
export const words = <Word extends string>(...values: Word[]): TLiteral<Word>[] =>
  values.map((value) => Type.Literal(value))

/** Any `type` but these, so that a known type with an invalid field does not pass as an unknown one. */
export const otherThan = (...types: string[]) => Type.String({ pattern: `^(?!(?:${types.join('|')})$)` })
