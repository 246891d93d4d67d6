import { type Static, Type } from '@sinclair/typebox'
import { maybe, open } from '../../../json/lenient-schema.ts'
import { images, requestFields } from '../request-fields.ts'

/** The body of `POST /api/generate`. Without a prompt, it loads the model. */
export const generateBody = open({
  ...requestFields,
  prompt: maybe(Type.String()),
  system: maybe(Type.String()),
  images,
  suffix: maybe(Type.String()),
  template: maybe(Type.String()),
  raw: maybe(Type.Boolean()),
  /** What an earlier reply gave back. */
  context: maybe(Type.Array(Type.Integer())),
})

export type GenerateBody = Static<typeof generateBody>
