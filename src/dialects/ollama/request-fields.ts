import { type Static, Type } from '@sinclair/typebox'
import { longestModelName } from '../../core/model-name.ts'
import { maybe, open } from '../../json/lenient-schema.ts'

const anything = Type.Optional(Type.Unknown())

/** What samples the reply. Other options, of a server that runs models itself, are read in `options.ts`. */
const options = open({
  num_predict: maybe(Type.Number()),
  temperature: maybe(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  stop: maybe(Type.Union([Type.String(), Type.Array(Type.String())])),
})

/** Base64, without a media type; some clients send data URLs. */
export const images = maybe(Type.Array(Type.String()))

/** The fields that `POST /api/chat` and `POST /api/generate` share. */
export const requestFields = {
  model: Type.String({ minLength: 1, maxLength: longestModelName }),
  /** True unless told. */
  stream: maybe(Type.Boolean()),
  /** `"json"`, a JSON schema, or an empty text for none. */
  format: anything,
  /** A boolean or a level. */
  think: anything,
  options: maybe(options),
  logprobs: maybe(Type.Boolean()),
  top_logprobs: maybe(Type.Number()),
  // How long a model stays in memory, and what happens to a conversation that does not fit: models are not loaded here, and
  // no conversation is shortened.
  keep_alive: anything,
  truncate: anything,
  shift: anything,
}

const shared = open(requestFields)
export type SharedBody = Static<typeof shared>
