import { type TProperties, type TSchema, Type } from '@sinclair/typebox'

/** An object that may also have keys that are not in the schema. */
export const open = <Properties extends TProperties>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: true })

/** A field that may be missing or null. */
export const maybe = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]))
