import { tooDeep } from '../core/nesting-depth.ts'
import type { AssistantPart, ChatRequest, Message, Tool, UserPart } from '../core/request.ts'
import { imageTokens } from './image-tokens.ts'
import { mostTokens } from './most-tokens.ts'
import { createTextCounter, type LateText } from './text-counter.ts'
import type { Vocabulary } from './vocabulary.ts'

export interface Counter {
  /** Counts everything in the request that becomes part of the prompt. */
  countRequest(request: ChatRequest): number
  /** The most tokens that the request can have: see `mostTokens`. */
  mostOf(request: ChatRequest): number
  countText(text: string): number
}

/**
 * Tokens that the template adds. A special token counts as one. Source: the chat template of GLM-4.5 and its
 * successors.
 */
const template = {
  /** `[gMASK]<sop>`, and the `<|assistant|>` before the answer. */
  request: 4,
  /** `<|user|>` and a line break. */
  message: 2,
  /** `<think></think>` around reasoning. */
  reasoning: 2,
  /** `<tool_call>`, `</tool_call>` and line breaks. Tags around keys and values replace JSON's punctuation. */
  toolCall: 6,
  /** `<tool_response>` and `</tool_response>`. */
  toolResult: 4,
  /** The words around the list of tools. */
  tools: 130,
}

/** A PDF holds about one token in 12 bytes, which are 16 characters of base64. */
const base64CharsPerToken = 16
const typicalDocumentTokens = 2_000
/** About a minute of video. The vendor does not publish how many frames are used. */
const typicalVideoTokens = 10_000

/** The cost of a request: the texts to count, and the tokens of everything else. */
export interface CountableRequest {
  texts: (string | LateText)[]
  tokens: number
}

export function createCounter(vocabulary: Vocabulary): Counter {
  const countTexts = createTextCounter(vocabulary)
  return {
    countRequest(request) {
      const { texts, tokens } = costOf(request)
      return tokens + countTexts(texts)
    },
    mostOf: (request) => mostTokens(request, costOf(request)),
    countText: (text) => countTexts([text]),
  }
}

function costOf({ messages, tools, output }: ChatRequest): CountableRequest {
  const cost: CountableRequest = { texts: [], tokens: template.request }
  for (const message of messages) addMessage(message, cost)
  if (tools.length > 0) cost.tokens += template.tools
  const texts = tools.map(toolText)
  const isLong = texts.reduce((sum, { key }) => sum + key.length, 0) > maxExactToolsLength
  for (const tool of texts) cost.texts.push(isLong ? tool.key : tool)
  if (output.type === 'json' && output.schema) cost.texts.push(templateJson(output.schema))
  return cost
}

function addMessage(message: Message, cost: CountableRequest): void {
  cost.tokens += template.message
  switch (message.role) {
    case 'system':
      cost.texts.push(message.text)
      break
    case 'user':
      for (const part of message.parts) addUserPart(part, cost)
      break
    case 'tool':
      cost.tokens += template.toolResult
      for (const part of message.parts) addUserPart(part, cost)
      break
    case 'assistant':
      for (const part of message.parts) addAssistantPart(part, cost)
      break
    default:
      message satisfies never
  }
}

function addUserPart(part: UserPart, cost: CountableRequest): void {
  switch (part.type) {
    case 'text':
      cost.texts.push(part.text)
      break
    case 'image':
      cost.tokens += imageTokens(part.source)
      break
    case 'video':
      cost.tokens += typicalVideoTokens
      break
    case 'document':
      if (part.title !== undefined) cost.texts.push(part.title)
      cost.tokens +=
        part.source.type === 'base64' ? Math.ceil(part.source.data.length / base64CharsPerToken) : typicalDocumentTokens
      break
    default:
      part satisfies never
  }
}

function addAssistantPart(part: AssistantPart, cost: CountableRequest): void {
  switch (part.type) {
    case 'text':
      cost.texts.push(part.text)
      break
    case 'reasoning':
      cost.tokens += template.reasoning
      cost.texts.push(part.text)
      break
    case 'tool-call':
      cost.tokens += template.toolCall
      cost.texts.push(part.name, part.arguments)
      break
    default:
      part satisfies never
  }
}

function toolText({ name, description, parameters }: Tool): LateText {
  return templateJson({ type: 'function', function: { name, description, parameters } })
}

/**
 * The longest JSON that is reformatted, in characters. Longer JSON is counted from samples, for which a few missing
 * spaces make no difference.
 */
const maxExactLength = 65_536
/** The same limit for all tools together. */
const maxExactToolsLength = 262_144
/** Deeper JSON is not reformatted: the indentation, which is created first, could be a hundred times its length. */
const maxLevels = 40

/**
 * JSON as the template prints it with Python: on one line, with a space behind every comma and colon. The key is the
 * compact JSON: agents send the same tools in every turn, and formatting 40 of them takes 0.25 ms (2026-11-30).
 */
function templateJson(value: object): LateText {
  const compact = JSON.stringify(value)
  return { key: compact, create: () => formatted(value, compact) }
}

function formatted(value: object, compact: string): string {
  if (compact.length > maxExactLength || tooDeep(value, maxLevels)) return compact
  // Line breaks inside strings are escaped, so every line break is one of the indentation.
  return JSON.stringify(value, undefined, 1).replace(/,\n */g, ', ').replace(/\n */g, '')
}
