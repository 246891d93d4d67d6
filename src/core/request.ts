import type { McpRequest } from './mcp.ts'

/** One request, independent of dialect and upstream: what every dialect can express and some upstream can honour. */
export interface ChatRequest {
  /** The name as the client wrote it; the route maps it to a model. */
  model: string
  /** The messages in the client's order. */
  messages: readonly Message[]
  tools: readonly Tool[]
  toolChoice: ToolChoice
  parallelToolCalls: boolean
  sampling: Sampling
  reasoning: Reasoning
  output: OutputFormat
  /** Servers whose tools the gateway calls for the model. No upstream knows of them. */
  mcp?: McpRequest
  /** The client asked for the upstream's own web search. */
  search: boolean
  /** The client's settings for that search. */
  searchRules?: SearchRules
  /** Names of requested things that cannot be honoured: logged, and listed in the header `x-zai2api-ignored`. */
  ignored: readonly string[]
}

export type Message =
  | { role: 'system'; text: string }
  | { role: 'user'; parts: readonly UserPart[] }
  | { role: 'assistant'; parts: readonly AssistantPart[] }
  | ToolMessage

/** The result of a call. */
export interface ToolMessage {
  role: 'tool'
  callId: string
  parts: readonly UserPart[]
  isError: boolean
}

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

/** An attached file that is binary or remote; plain text becomes text parts instead. */
export interface DocumentPart {
  type: 'document'
  title?: string
  source: { type: 'url'; url: string } | { type: 'base64'; mediaType: string; data: string }
}

export type AssistantPart = TextPart | { type: 'reasoning'; text: string } | ToolCallPart

export interface ToolCallPart {
  type: 'tool-call'
  id: string
  name: string
  /** Raw JSON text. */
  arguments: string
}

export interface Tool {
  name: string
  /** What the client calls it, where that is another name. */
  clientName?: string
  description: string
  /** JSON schema of the arguments. */
  parameters: Record<string, unknown>
  /**
   * The client is promised arguments that fit the schema: a call is sent only once it is complete and was found to fit.
   */
  strict?: boolean
  /** JSON schema of the arguments that the dialect can pass on, if that is neither any object nor just `parameters`. */
  readable?: Record<string, unknown>
}

export type ToolChoice = 'auto' | 'none' | 'required' | { name: string }

export interface Sampling {
  temperature?: number
  topP?: number
  maxTokens?: number
  stop?: readonly string[]
}

/** `default` leaves the choice to the model's name, and otherwise to the model. */
export interface Reasoning {
  mode: 'default' | 'off' | 'on'
  effort?: 'low' | 'medium' | 'high' | 'max'
  budgetTokens?: number
}

export interface SearchRules {
  /** `tool_choice` names the search: no other tool may be called. */
  chosen: boolean
  maxUses?: number
  /** The only sites to search, such as `example.com`. */
  allowedDomains?: readonly string[]
  blockedDomains?: readonly string[]
  options?: SearchOptions | undefined
}

/** The options of Z.AI's own search, with its own values. Source: the vendor's API reference of 2026-07. */
export interface SearchOptions {
  engine?: string | undefined
  query?: string | undefined
  /** Instruction to the model for using the results. */
  prompt?: string | undefined
  /** `oneDay` to `noLimit`. */
  recency?: string | undefined
  /** `medium` or `high`. */
  contentSize?: string | undefined
  /** Number of results, 1 to 50. */
  count?: number | undefined
  /** Search whatever the question is. */
  required?: boolean | undefined
}

export type OutputFormat =
  | { type: 'text' }
  | { type: 'json'; schema?: Record<string, unknown>; name?: string; description?: string }

/**
 * Index of the first message the user has just written. It is past the end when the newest turn holds tool results:
 * what follows them is often written by an agent, not by the user.
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
 * Whether the reply has to hold a call. It does not have to right after tool results: an agent that demands a call on
 * every request would never get an answer. System prompts and empty messages behind the results change nothing.
 */
export function demandsCall({ tools, toolChoice, messages }: ChatRequest): boolean {
  if (tools.length === 0 || toolChoice === 'auto' || toolChoice === 'none') return false
  return messages.findLast(saysSomething)?.role !== 'tool'
}

function saysSomething(message: Message): boolean {
  if (message.role === 'system') return false
  return message.role !== 'user' || message.parts.some((part) => part.type !== 'text' || part.text.trim() !== '')
}
