import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { maybe, open } from '../../json/lenient-schema.ts'

/**
 * The parts of server responses that are read here. Documents leave fields out and fields change, so objects may have
 * unknown keys and every field may be missing or null.
 * Source: Z.AI's API reference of 2026-07 and captures of 2026-03, whose shapes are in `test/golden/zai-api`; for
 * `reasoning`, vLLM and OpenRouter; for lengths, OpenRouter (`context_length`), vLLM and SGLang (`max_model_len`).
 */

const tokens = maybe(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
export const usageCounts = TypeCompiler.Compile(
  open({
    prompt_tokens: tokens,
    completion_tokens: tokens,
    prompt_tokens_details: maybe(open({ cached_tokens: tokens })),
    completion_tokens_details: maybe(open({ reasoning_tokens: tokens })),
  }),
)

/** A whole call or a fragment; `id` and `name` are in the first fragment. */
const CallPiece = open({
  /** Usually a string, and a number for `index`. */
  id: Type.Optional(Type.Unknown()),
  index: Type.Optional(Type.Unknown()),
  function: maybe(
    open({
      name: maybe(Type.String()),
      /** Raw JSON text, or the object itself. */
      arguments: Type.Optional(Type.Unknown()),
    }),
  ),
})
export type CallPiece = Static<typeof CallPiece>

const Chunk = open({
  choices: maybe(
    Type.Array(
      open({
        /** Usually 0, as only one choice is asked for. Some servers count from 1, or write the number as text. */
        index: Type.Optional(Type.Unknown()),
        finish_reason: maybe(Type.String()),
        delta: maybe(
          open({
            content: maybe(Type.String()),
            reasoning_content: maybe(Type.String()),
            reasoning: maybe(Type.String()),
            tool_calls: maybe(Type.Array(CallPiece)),
          }),
        ),
      }),
    ),
  ),
  /** Checked apart: an answer is not lost with its counts. */
  usage: Type.Optional(Type.Unknown()),
  web_search: maybe(Type.Array(Type.Unknown())),
})
export type Chunk = Static<typeof Chunk>
export type Choice = NonNullable<Chunk['choices']>[number]
export const chunk = TypeCompiler.Compile(Chunk)

/** The number of a choice as text; `undefined` if the server does not number it. */
export function indexOf({ index }: Choice): string | undefined {
  return index === undefined || index === null ? undefined : String(index)
}

/** One page of Z.AI's `web_search`; `refer` is its mark in the text. */
export const searchResult = TypeCompiler.Compile(
  open({ refer: Type.String(), title: maybe(Type.String()), link: Type.String() }),
)

/** `GET {base}/models` */
export const embeddingList = TypeCompiler.Compile(
  open({
    data: Type.Array(
      open({ index: Type.Integer({ minimum: 0 }), embedding: Type.Array(Type.Number(), { minItems: 1 }) }),
    ),
    /** Checked apart, as that of a chunk. */
    usage: Type.Optional(Type.Unknown()),
  }),
)
export const embeddingUsage = TypeCompiler.Compile(open({ prompt_tokens: tokens, total_tokens: tokens }))

export const modelList = TypeCompiler.Compile(open({ data: Type.Array(Type.Unknown()) }))
const ModelEntry = open({
  id: Type.String({ minLength: 1 }),
  created: maybe(Type.Number()),
  context_length: maybe(Type.Number({ minimum: 0 })),
  max_model_len: maybe(Type.Number({ minimum: 0 })),
  max_output_tokens: maybe(Type.Number({ minimum: 0 })),
})
export type ModelEntry = Static<typeof ModelEntry>
export const modelEntry = TypeCompiler.Compile(ModelEntry)
