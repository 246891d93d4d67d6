import { type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** Clients send unknown fields, and none of them may cause a 400. */
export const open = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: true })
export const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const maybe = <T extends TSchema>(schema: T) => Type.Optional(orNull(schema))
/** The expected types. Any other value is accepted, too. */
export const orElse = (...schemas: TSchema[]) => Type.Union([Type.Unknown(), ...schemas])
/** The branch of a union for all types that no other branch has. */
export const otherThan = (...types: string[]) => Type.String({ pattern: `^(?!(?:${types.join('|')})$)` })
