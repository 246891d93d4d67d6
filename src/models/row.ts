import { type Static, type TProperties, Type } from '@sinclair/typebox'
import { visibleWord } from '../core/visible-name.ts'

/** Kinds of content that a message to a model may hold. */
const modalities = ['text', 'image', 'video', 'file'] as const
export type Modality = (typeof modalities)[number]

/**
 * How a model reasons:
 * - `never`: not at all
 * - `switchable`: unless the request turns it off
 * - `always`: in every reply; the request field is accepted but cannot turn it off
 * - `built-in`: in every reply; there is no request field for it
 */
const reasonings = ['never', 'switchable', 'always', 'built-in'] as const

/** Values of `reasoning_effort`, the lowest first. */
export const effortWords = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type EffortWord = (typeof effortWords)[number]

const name = Type.String({ pattern: visibleWord, description: 'a name without spaces, or a pattern with *' })
const tokens = Type.Integer({ minimum: 1, description: 'a whole number, 1 or more' })
const dollars = Type.Number({ minimum: 0, description: 'dollars for a million tokens, 0 or more' })
const credits = Type.Number({ minimum: 0, description: 'credits for 10,000 tokens, 0 or more' })
const temperature = Type.Number({ minimum: 0, maximum: 2, description: 'a number from 0 to 2' })
const flag = Type.Boolean({ description: 'true or false' })
const day = Type.String({ pattern: dayPattern(), description: 'a day such as "2026-11-24"' })

/** Only dates of the calendar: months have their own lengths, and February has 29 days every fourth year. */
function dayPattern(): string {
  const upTo30 = '(0[1-9]|[12]\\d|30)'
  const months = `(0[13578]|1[02])-(${upTo30}|31)|(0[469]|11)-${upTo30}|02-(0[1-9]|1\\d|2[0-8])`
  // No year that ends a century and is near is a leap year.
  const leapYears = '\\d\\d(0[48]|[2468][048]|[13579][26])'
  return `^(\\d{4}-(${months})|${leapYears}-02-29)$`
}

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
  /** What it makes: replies, unless said otherwise. */
  kind: oneOf(['chat', 'embedding']),
  /** Accepted lengths of the vectors of an embedding model; any where absent. */
  dimensions: Type.Array(tokens, { uniqueItems: true, minItems: 1, description: 'a list of whole numbers' }),
  context_tokens: tokens,
  max_output_tokens: tokens,
  input: wordsOf(modalities),
  /** Whether a `tool` message may contain images. */
  images_in_tool_results: flag,
  reasoning: oneOf(reasonings),
  /** Accepted values of `reasoning_effort`; empty if the field is not accepted. */
  efforts: wordsOf(effortWords),
  /** Whether arguments of tool calls can be streamed. */
  tool_stream: flag,
  /** Whether the model can search the web by itself. */
  web_search: flag,
  /** The temperature of a request that names none. */
  default_temperature: temperature,
  price: optional({ input: dollars, cached: dollars, output: dollars }, 'a table of input, cached and output'),
  /** What the coding plan counts in its peak hours. `off_peak` is the share of it that counts outside of them. */
  credits: optional(
    {
      ...{ input: credits, cached: credits, output: credits },
      off_peak: Type.Number({ minimum: 0, maximum: 1, description: 'a number from 0 to 1' }),
    },
    'a table of input, cached, output and off_peak',
  ),
  /** The only plan that includes the model. */
  plan: oneOf(['coding']),
  released: day,
  source: Type.String({ description: 'text' }),
  checked: day,
}

/** Services of the official API, as preferences for models tell them apart. */
const services = ['general', 'coding'] as const
export type Service = (typeof services)[number]

/** What the vendor alone can say, so that only the built-in rows have it. */
const vendorFacts = {
  /** The name of chat.z.ai for the model, if the site has been seen to offer it. */
  web_name: name,
  /** The services on which it answers in place of other vendors' large models. */
  stands_in: wordsOf(services),
  /** Its place among the models that answer in place of small ones: 1 is asked first. */
  small_rank: Type.Integer({ minimum: 1 }),
}

export const modelFields = Type.Partial(Type.Object(facts), { additionalProperties: false })
/** The facts in a row, which hold for all its models. */
export type ModelFields = Static<typeof modelFields>

/**
 * One row of facts about one or more models. If several rows are about the same model, a later row overrides the fields
 * that it has. The `description` of each part of the schema completes the sentence "must be …".
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

/** A row of models.toml. */
export const builtInRow = Type.Composite([modelRow, Type.Partial(Type.Object(vendorFacts))], {
  additionalProperties: false,
})
export type BuiltInRow = Static<typeof builtInRow>
