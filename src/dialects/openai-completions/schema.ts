import { type Static, Type } from '@sinclair/typebox'
import { longestModelName } from '../../core/model-name.ts'
import { maybe, open } from '../../json/lenient-schema.ts'

const tokens = Type.Array(Type.Integer())
const penalty = maybe(Type.Number({ minimum: -2, maximum: 2 }))

/**
 * The body of `POST /completions`. Prompts of tokens are accepted here so that `decode` can refuse them with a reason.
 * Numbers have OpenAI's ranges.
 */
export const completionBody = open({
  model: Type.String({ minLength: 1, maxLength: longestModelName }),
  prompt: Type.Union([Type.String(), Type.Array(Type.String()), tokens, Type.Array(tokens)]),
  suffix: maybe(Type.String()),
  max_tokens: maybe(Type.Integer({ minimum: 1 })),
  temperature: maybe(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  n: maybe(Type.Integer({ minimum: 1, maximum: 128 })),
  best_of: maybe(Type.Integer({ minimum: 1, maximum: 20 })),
  echo: maybe(Type.Boolean()),
  logprobs: maybe(Type.Integer({ minimum: 0, maximum: 5 })),
  stop: maybe(Type.Union([Type.String(), Type.Array(Type.String())])),
  stream: maybe(Type.Boolean()),
  stream_options: maybe(open({ include_usage: maybe(Type.Boolean()) })),
  seed: maybe(Type.Number()),
  logit_bias: maybe(open({})),
  frequency_penalty: penalty,
  presence_penalty: penalty,
  // The user id is not passed on.
  user: Type.Optional(Type.Unknown()),
})

export type CompletionBody = Static<typeof completionBody>
