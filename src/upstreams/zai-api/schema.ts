import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { maybe, open } from '../../json/lenient-schema.ts'

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
