import type { ChatRequest, Reasoning, SearchRules } from '../../core/request.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { ModelFacts, ModelTable } from '../../models/table.ts'
import type { VendorErrors } from './errors.ts'
import type { ChatModel } from './models.ts'
import type { ToolChoiceStyle } from './tool-choice.ts'

/**
 * One vendor of OpenAI's Chat Completions API. The profile holds everything that is true of this vendor alone; the rest
 * of this folder is the same for every vendor.
 */
export interface Profile {
  /** Who makes its models: `z-ai`. Absent for a server that may have models of anybody. */
  vendor?: string
  errors: VendorErrors
  /** Headers of every call with this key; the key is '' if the server needs none. */
  headers(key: string): Record<string, string>
  models: ModelRules
  /** Texts in one request for embeddings. */
  mostEmbeddedTexts: number
  request: RequestRules
  /** Accepts any tool name; otherwise names are shortened for the server and restored for the client. */
  takesAnyToolName?: true
  /** Ends a reply at `max_tokens` by itself. */
  enforcesMaxTokens?: true
  /** Can search the web in a reply that may call the client's tools. */
  searchesBesideTools?: true
  /** Newest first: the models to use in place of other vendors' large and small ones. Without it, the listed models. */
  preferred?(table: ModelTable): Upstream['preferred']
}

export interface ModelRules {
  /** The rows of the table that are offered even if the server does not list them. */
  offers(facts: ModelFacts): boolean
  /** Whether an embedding model of the table is offered even if the server does not list it. */
  offersEmbedder(id: string): boolean
  /** Whether an entry of the server's list is a chat model. */
  isChatModel(id: string): boolean
  /** Whether an entry of the server's list, or of the configuration, makes embeddings. */
  isEmbedder(id: string): boolean
  /** Whether a name that is in no list looks like a model of this server. */
  isFamiliar(name: string): boolean
  /** The facts of the table, reduced to those that hold at this server. */
  facts(facts: ModelFacts): ModelFacts
}

/** What the server accepts beyond `model`, `messages` and `stream`, and how it is written. */
export interface RequestRules {
  /** Fields of every request. `requestId` is new for each request. */
  always(requestId: string): object
  /** Requests with more tools are rejected; `undefined` for no limit. */
  maxTools?: number
  maxTemperature: number
  minTopP: number
  /** Highest `max_tokens` for a model whose own limit is not known; `undefined` for no limit. */
  maxOutputTokens?: number
  /** Whether `tool_choice` and `parallel_tool_calls` are sent as fields, or become instructions to the model. */
  toolChoice: ToolChoiceStyle
  /**
   * `response_format` for JSON answers without tools. With `schemaInWords` the schema becomes an instruction instead.
   */
  responseFormat(output: Extract<ChatRequest['output'], { type: 'json' }>): object
  schemaInWords: boolean
  /** The fields that switch reasoning and set its effort. */
  reasoning(asked: Reasoning, model: ChatModel): object
  /** The field for earlier reasoning in an assistant message. */
  reasoningField: string
  /** The tool entry that enables the server's own web search. */
  webSearch?(rules: SearchRules | undefined): object
  /** The number of search results to request if a client wants `count`. */
  searchResultCount?(count: number): number
}
