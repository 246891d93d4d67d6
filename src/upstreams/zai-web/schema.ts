import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { maybe, open } from '../../json/lenient-schema.ts'

/**
 * The parts of the chat backend's stream that are read here. The format is undocumented and changes without notice, so
 * objects may have unknown keys and every field may be missing or null.
 * Source: published captures of 2025-08 to 2026-10; the recordings under `test/golden/zai-web` have these shapes.
 */

/** As in an OpenAI chunk. Some streams carry whole chunks, others only the finish reason. */
const Choice = open({
  finish_reason: maybe(Type.String()),
  delta: maybe(open({ content: maybe(Type.String()), reasoning_content: maybe(Type.String()) })),
})

const MessagePart = open({
  /** `thinking`, `answer`, `tool_call`, `tool_response`, `other`, `done`, and maybe new ones. */
  phase: maybe(Type.String()),
  delta_content: maybe(Type.String()),
  /** UTF-16 units of the message to keep before `edit_content`. */
  edit_index: maybe(Type.Number()),
  edit_content: maybe(Type.String()),
  content: maybe(Type.String()),
  delta_name: maybe(Type.String()),
  /** A piece of raw JSON text, or an object. */
  delta_arguments: Type.Optional(Type.Unknown()),
  tool_name: maybe(Type.String()),
  metadata: maybe(open({ tool_call_id: maybe(Type.String()) })),
  /** Checked apart: an answer is not lost with its counts. */
  usage: Type.Optional(Type.Unknown()),
  done: maybe(Type.Boolean()),
  choices: maybe(Type.Array(Choice)),
})
export type MessagePart = Static<typeof MessagePart>
export const messagePart = TypeCompiler.Compile(MessagePart)

/** One `data:` payload. `data` is a message part if `type` says so, and sometimes `[DONE]`. */
const Frame = open({
  type: maybe(Type.String()),
  data: Type.Optional(Type.Unknown()),
  choices: maybe(Type.Array(Choice)),
  usage: Type.Optional(Type.Unknown()),
})
export type Frame = Static<typeof Frame>
export const frame = TypeCompiler.Compile(Frame)

/** The JSON inside `<glm_block …>…</glm_block>`: a tool that the backend ran. */
export const toolBlock = TypeCompiler.Compile(
  open({
    data: open({
      metadata: open({
        id: maybe(Type.String()),
        name: Type.String(),
        /** Raw JSON text, as a rule. */
        arguments: Type.Optional(Type.Unknown()),
        /** Text, as a rule. */
        result: Type.Optional(Type.Unknown()),
      }),
      browser: maybe(open({ search_result: maybe(Type.Array(Type.Unknown())) })),
    }),
  }),
)

/** One entry of a block's `search_result`. */
export const searchResult = TypeCompiler.Compile(
  open({ ref_id: Type.String(), title: maybe(Type.String()), url: Type.String() }),
)

/** The arguments of a search. */
export const searchArguments = TypeCompiler.Compile(
  open({
    query: Type.Optional(Type.String()),
    queries: Type.Optional(Type.Array(Type.String())),
    search_query: Type.Optional(Type.Array(open({ q: Type.String() }))),
  }),
)
