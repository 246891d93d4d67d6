import { type Static, Type } from '@sinclair/typebox'
import { maybe, open } from '../../../json/lenient-schema.ts'
import { images, requestFields } from '../request-fields.ts'

const call = open({
  id: maybe(Type.String()),
  function: open({ name: Type.String(), arguments: Type.Optional(Type.Unknown()) }),
})

const message = open({
  role: maybe(Type.String()),
  /** Clients of OpenAI's API send lists of parts. */
  content: maybe(Type.Union([Type.String(), Type.Array(Type.Unknown()), open({})])),
  thinking: maybe(Type.String()),
  images,
  tool_calls: maybe(Type.Array(call)),
  /** A result names its tool; newer clients also send the id of the call. */
  tool_name: maybe(Type.String()),
  tool_call_id: maybe(Type.String()),
})

const tool = open({
  type: maybe(Type.String()),
  function: maybe(
    open({
      name: Type.String({ minLength: 1 }),
      description: maybe(Type.String()),
      parameters: maybe(Type.Record(Type.String(), Type.Unknown())),
    }),
  ),
})

/** The body of `POST /api/chat`. Without messages, it loads the model. */
export const chatBody = open({
  ...requestFields,
  /** The known form of a message. Others are read, too: see ../../openai/conversation-entries.ts. */
  messages: maybe(Type.Union([Type.Array(Type.Union([Type.Unknown(), message])), Type.String(), open({})])),
  tools: maybe(Type.Array(tool)),
})

export type ChatBody = Static<typeof chatBody>
