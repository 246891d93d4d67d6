import { type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** Clients send fields we have never heard of, and nothing in there may produce a 400. */
export const open = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: true })
export const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const maybe = <T extends TSchema>(schema: T) => Type.Optional(orNull(schema))
/** What is expected for the most part: anything else is taken, too. */
export const orElse = (...schemas: TSchema[]) => Type.Union([Type.Unknown(), ...schemas])
/** The branch of a union for whatever none of the others is about. */
export const otherThan = (...types: string[]) => Type.String({ pattern: `^(?!(?:${types.join('|')})$)` })
