import type { ChatRequest, Reasoning, SearchRules, ToolChoice } from '../../core/request.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { ModelFacts } from '../../models/table.ts'
import type { VendorErrors } from './errors.ts'
import type { ChatModel } from './models.ts'

/**
 * One vendor whose API is OpenAI's Chat Completions in its own words. All that is true of this vendor alone stands in
 * its profile; the rest of this folder is the same for every vendor.
 */
export interface Profile {
  errors: VendorErrors
  /** Of every call with this key; '' where the server asks for none. */
  headers(key: string): Record<string, string>
  models: ModelRules
  request: RequestRules
  /** Takes the names of tools as clients have them; where it does not, they are shortened and restored. */
  takesAnyToolName?: true
  /** Ends a reply at `max_tokens` by itself. */
  enforcesMaxTokens?: true
  /** Can search the web in a reply that may call the client's tools. */
  searchesBesideTools?: true
  /** Newest first: the models that stand for large and small ones of other vendors; without it, those it lists. */
  preferred?: Upstream['preferred']
}

export interface ModelRules {
  /** The rows of the table that are offered whether the server lists them or not. */
  offers(facts: ModelFacts): boolean
  /** Whether an entry of the server's list is a model to chat with. */
  isChatModel(id: string): boolean
  /** A name no list has that looks like a model of this server. */
  isFamiliar(name: string): boolean
  /** The name in the table of a model that the server calls `id`: `zai-org/GLM-4.6-FP8` is a `GLM-4.6-FP8`. */
  tableName(id: string): string
  /** What the table says of a model, as far as it holds at this server. */
  facts(facts: ModelFacts): ModelFacts
}

/** What the server takes beyond `model`, `messages` and `stream`, and in which words. */
export interface RequestRules {
  /** Fields that every request has. `requestId` is new for each. */
  always(requestId: string): object
  /** More tools are refused; `undefined` for no limit. */
  maxTools?: number
  maxTemperature: number
  minTopP: number
  /** What a model may be asked to write where its own limit is not known; `undefined` for no limit. */
  maxOutputTokens?: number
  /** `tool_choice` and `parallel_tool_calls` for the tools that are offered; `undefined`: they are said in words. */
  toolChoice?(choice: ToolChoice, parallel: boolean): object
  /** `response_format` of an answer in JSON without tools. Its schema is said in words where `schemaInWords`. */
  responseFormat(output: Extract<ChatRequest['output'], { type: 'json' }>): object
  schemaInWords: boolean
  /** The fields that switch reasoning and set its effort. */
  reasoning(asked: Reasoning, model: ChatModel): object
  /** Where earlier reasoning stands in an assistant message. */
  reasoningField: string
  /** The tool that is the server's own web search. */
  webSearch?(rules: SearchRules | undefined): object
}
