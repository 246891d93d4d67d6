import { type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** Clients send fields we have never heard of, and nothing in there may produce a 400. */
export const open = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: true })
export const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const maybe = <T extends TSchema>(schema: T) => Type.Optional(orNull(schema))
/** The branch of a union for whatever none of the others is about. */
export const otherThan = (...types: string[]) => Type.String({ pattern: `^(?!(?:${types.join('|')})$)` })
