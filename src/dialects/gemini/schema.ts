import { type Static, type TProperties, Type } from '@sinclair/typebox'
import { maybe, open as openObject } from '../../json/lenient-schema.ts'
import { snakeCase } from './spelling.ts'

/**
 * Clients send unknown fields, and none of them may cause a 400. Each member may also be spelt in snake case:
 * `decode` reads the body in camel case.
 */
function open<P extends TProperties>(properties: P) {
  return openObject(withSnakeCase(properties))
}

function withSnakeCase<P extends TProperties>(properties: P): P {
  const others = Object.entries(properties).map(([name, schema]) => [snakeCase(name), schema])
  return Object.assign(Object.fromEntries(others), properties)
}

const anything = Type.Optional(Type.Unknown())
const fields = Type.Record(Type.String(), Type.Unknown())
const list = Type.Array(Type.Unknown())

/** A part is not checked here: it has one member, whose name says what it is. Unknown ones are read too; see parts.ts. */
const parts = maybe(Type.Union([Type.Array(Type.Union([Type.Unknown(), fields])), fields]))
const content = open({ role: maybe(Type.String()), parts })
/** The known form of a content. Others are read, too: see contents.ts. */
const contents = Type.Union([Type.Array(Type.Union([Type.Unknown(), content])), Type.String(), open({})])

const declaration = open({
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  parameters: maybe(fields),
  parametersJsonSchema: maybe(fields),
})

const search = maybe(open({ excludeDomains: maybe(Type.Array(Type.String())), timeRangeFilter: anything }))

/** Any other member is a tool that Google's servers run. */
const tool = open({
  functionDeclarations: maybe(Type.Array(declaration)),
  googleSearch: search,
  googleSearchRetrieval: search,
})

const toolConfig = open({
  functionCallingConfig: maybe(
    open({ mode: maybe(Type.String()), allowedFunctionNames: maybe(Type.Array(Type.String())) }),
  ),
  retrievalConfig: anything,
  includeServerSideToolInvocations: anything,
})

const thinkingConfig = open({
  includeThoughts: maybe(Type.Boolean()),
  thinkingBudget: maybe(Type.Integer({ minimum: -1 })),
  thinkingLevel: maybe(Type.String()),
})

/** Numbers have the ranges of Google's reference. */
export const generationConfig = open({
  temperature: maybe(Type.Number({ minimum: 0, maximum: 2 })),
  topP: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  topK: maybe(Type.Number()),
  candidateCount: maybe(Type.Integer({ minimum: 0, maximum: 8 })),
  maxOutputTokens: maybe(Type.Integer({ minimum: 0 })),
  stopSequences: maybe(Type.Array(Type.String())),
  seed: maybe(Type.Number()),
  presencePenalty: maybe(Type.Number({ minimum: -2, maximum: 2 })),
  frequencyPenalty: maybe(Type.Number({ minimum: -2, maximum: 2 })),
  responseLogprobs: maybe(Type.Boolean()),
  logprobs: maybe(Type.Integer()),
  responseMimeType: maybe(Type.String()),
  responseSchema: maybe(fields),
  responseJsonSchema: maybe(fields),
  responseFormat: maybe(Type.Union([list, fields])),
  responseModalities: maybe(Type.Array(Type.String())),
  thinkingConfig: maybe(thinkingConfig),
})

const members = {
  contents: maybe(contents),
  systemInstruction: maybe(Type.Union([content, Type.String()])),
  tools: maybe(Type.Array(tool)),
  toolConfig: maybe(toolConfig),
  generationConfig: maybe(generationConfig),
  safetySettings: maybe(list),
  cachedContent: maybe(Type.String()),
  continuationToken: maybe(Type.String()),
  serviceTier: maybe(Type.String()),
  store: maybe(Type.Boolean()),
  // The path names the model. Labels are for bills.
  model: anything,
  labels: anything,
}

const question = open(members)

/**
 * The body of `:generateContent` and `:streamGenerateContent`. The body of `:countTokens` may hold such a body as
 * `generateContentRequest`.
 */
export const geminiBody = open({ ...members, generateContentRequest: maybe(question) })

export type GeminiBody = Static<typeof geminiBody>
export type GenerationConfig = Static<typeof generationConfig>
export type ToolBody = Static<typeof tool>
