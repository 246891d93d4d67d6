import { type Static, type TProperties, Type } from '@sinclair/typebox'

/** What a message may hold for a model. */
const modalities = ['text', 'image', 'video', 'file'] as const
export type Modality = (typeof modalities)[number]

/**
 * How a model reasons: not at all, unless it is switched off, whatever it is told, or whatever it is told and without
 * a field of the request about it.
 */
const reasonings = ['never', 'switchable', 'always', 'built-in'] as const

/** Words of `reasoning_effort`, least first. */
export const effortWords = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type EffortWord = (typeof effortWords)[number]

const name = Type.String({ pattern: '^\\S+$', description: 'a name without spaces, or a pattern with *' })
const tokens = Type.Integer({ minimum: 1, description: 'a whole number, 1 or more' })
const dollars = Type.Number({ minimum: 0, description: 'dollars for a million tokens, 0 or more' })
const flag = Type.Boolean({ description: 'true or false' })
const day = Type.String({
  pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$',
  description: 'a day such as "2026-11-24"',
})

function wordsOf<const Words extends readonly string[]>(words: Words) {
  return Type.Array(oneOf(words), { uniqueItems: true, description: `a list of ${words.join(', ')}` })
}

function oneOf<const Words extends readonly string[]>(words: Words) {
  return Type.Union(
    words.map((word: Words[number]) => Type.Literal(word)),
    { description: `one of ${words.join(', ')}` },
  )
}

function optional<const Fields extends TProperties>(fields: Fields, description: string) {
  return Type.Partial(Type.Object(fields, { additionalProperties: false, description }))
}

const facts = {
  context_tokens: tokens,
  max_output_tokens: tokens,
  input: wordsOf(modalities),
  /** Images may stand in a `tool` message. */
  images_in_tool_results: flag,
  reasoning: oneOf(reasonings),
  /** Words of `reasoning_effort` that are taken; none where the field is not. */
  efforts: wordsOf(effortWords),
  /** Arguments of calls can be asked for in fragments. */
  tool_stream: flag,
  /** Can search the web by itself. */
  web_search: flag,
  price: optional({ input: dollars, cached: dollars, output: dollars }, 'a table of input, cached and output'),
  /** The only plan that serves it. */
  plan: oneOf(['coding']),
  released: day,
  source: Type.String({ description: 'text' }),
  checked: day,
}

export const modelFields = Type.Partial(Type.Object(facts), { additionalProperties: false })
/** What a row says of its models. */
export type ModelFields = Static<typeof modelFields>

/**
 * One row of facts about one or more models. Of several rows about one model, a later one corrects what it says and
 * leaves the rest. `description` of a part of the schema ends the sentence "must be …".
 */
export const modelRow = Type.Composite(
  [
    Type.Object({
      id: Type.Union([name, Type.Array(name, { minItems: 1 })], { description: 'a name or a list of names' }),
    }),
    modelFields,
  ],
  { additionalProperties: false, description: 'a table such as { id = "glm-5.4", context_tokens = 1048576 }' },
)
export type ModelRow = Static<typeof modelRow>
