/** One request in our own language: what every dialect can say and some upstream can honour. */
export interface ChatRequest {
  /** As the client wrote it; the route maps it. */
  model: string
  /** One list, order kept. */
  messages: Message[]
  tools: Tool[]
  toolChoice: ToolChoice
  parallelToolCalls: boolean
  sampling: Sampling
  reasoning: Reasoning
  output: OutputFormat
  /** The client asked for the upstream's own web search. */
  search: boolean
  /** What the client said about that search. */
  searchRules?: SearchRules
  /** Names of what was asked and cannot be honoured: logged, and told in `x-zai2api-ignored`. */
  ignored: string[]
}

export type Message =
  | { role: 'system'; text: string }
  | { role: 'user'; parts: UserPart[] }
  | { role: 'assistant'; parts: AssistantPart[] }
  | { role: 'tool'; callId: string; parts: UserPart[]; isError: boolean }

export type UserPart = TextPart | ImagePart | VideoPart | DocumentPart

export interface TextPart {
  type: 'text'
  text: string
}

export interface ImagePart {
  type: 'image'
  source: { type: 'url'; url: string } | { type: 'base64'; mediaType: string; data: string }
}

export interface VideoPart {
  type: 'video'
  source: ImagePart['source']
}

/** A file the client attached: plain text is carried as text parts, so this one is binary or remote. */
export interface DocumentPart {
  type: 'document'
  title?: string
  source: { type: 'url'; url: string } | { type: 'base64'; mediaType: string; data: string }
}

export type AssistantPart =
  | TextPart
  | { type: 'reasoning'; text: string }
  /** `arguments` is raw JSON text. */
  | { type: 'tool-call'; id: string; name: string; arguments: string }

export interface Tool {
  name: string
  description: string
  /** JSON schema of the arguments. */
  parameters: Record<string, unknown>
  /** The client is promised arguments that fit: a call is told once it is whole and was found to fit. */
  strict?: boolean
  /** JSON schema of what the dialect can hand on of a call, where that is neither any object nor just `parameters`. */
  readable?: Record<string, unknown>
}

export type ToolChoice = 'auto' | 'none' | 'required' | { name: string }

export interface Sampling {
  temperature?: number
  topP?: number
  maxTokens?: number
  stop?: string[]
}

/** `default` leaves it to the model's name and then to the model. */
export interface Reasoning {
  mode: 'default' | 'off' | 'on'
  effort?: 'low' | 'medium' | 'high' | 'max'
  budgetTokens?: number
}

export interface SearchRules {
  /** `tool_choice` names the search, so that nothing else is to be called. */
  chosen: boolean
  maxUses?: number
  /** `example.com`: the only sites to look at. */
  allowedDomains?: string[]
  blockedDomains?: string[]
  options?: SearchOptions | undefined
}

/** Z.AI's own options of its search, in its own values. Source: the vendor's API reference of 2026-07. */
export interface SearchOptions {
  engine?: string | undefined
  query?: string | undefined
  /** What the model is told about the results. */
  prompt?: string | undefined
  /** `oneDay` to `noLimit`. */
  recency?: string | undefined
  /** `medium` or `high`. */
  contentSize?: string | undefined
  /** Results, 1 to 50. */
  count?: number | undefined
  /** Search whatever the question is. */
  required?: boolean | undefined
}

export type OutputFormat =
  | { type: 'text' }
  | { type: 'json'; schema?: Record<string, unknown>; name?: string; description?: string }

/**
 * Where the words begin that the user has just written; past the end when the newest turn answers tool calls, for then
 * agents speak in the user's name.
 */
export function lastUserTurn(messages: readonly Message[]): number {
  const start = messages.findLastIndex(({ role }) => role === 'assistant') + 1
  return messages.slice(start).some(({ role }) => role === 'tool') ? messages.length : start
}

/** The text parts of a message joined by line breaks; other parts are left out. */
export function textOf(parts: readonly { type: string; text?: string }[]): string {
  return parts.flatMap((part) => (part.type === 'text' && part.text !== undefined ? [part.text] : [])).join('\n')
}

/**
 * Whether the reply has to hold a call. After the results of its calls a model may as well conclude: agents that insist
 * would never come to an end.
 */
export function demandsCall({ tools, toolChoice, messages }: ChatRequest): boolean {
  return tools.length > 0 && toolChoice !== 'auto' && toolChoice !== 'none' && messages.at(-1)?.role !== 'tool'
}
