import { type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

const open = <Properties extends TProperties>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: true })
const maybe = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]))

/** `GET {origin}/api/monitor/usage/quota/limit` */
export const quotaBody = TypeCompiler.Compile(
  open({ data: open({ level: maybe(Type.String()), limits: maybe(Type.Array(Type.Unknown())) }) }),
)
export const quotaEntry = TypeCompiler.Compile(
  open({
    type: Type.String(),
    unit: maybe(Type.Number()),
    number: maybe(Type.Number()),
    /** The total allowance. */
    usage: maybe(Type.Number()),
    currentValue: maybe(Type.Number()),
    remaining: maybe(Type.Number()),
    percentage: maybe(Type.Number()),
    nextResetTime: maybe(Type.Number()),
  }),
)
