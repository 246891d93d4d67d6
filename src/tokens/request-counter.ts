import { tooDeep } from '../core/nesting-depth.ts'
import type { AssistantPart, ChatRequest, Message, Tool, UserPart } from '../core/request.ts'
import { imageTokens } from './image-tokens.ts'
import { createTextCounter } from './text-counter.ts'
import type { Vocabulary } from './vocabulary.ts'

export interface Counter {
  /** Everything of the request that reaches the prompt. */
  countRequest(request: ChatRequest): number
  countText(text: string): number
}

/** Units: tokens. Source: the chat template of GLM-4.5 and its successors, special tokens counted as one. */
const template = {
  /** `[gMASK]<sop>` and the `<|assistant|>` that asks for the answer. */
  request: 4,
  /** `<|user|>` and a line break. */
  message: 2,
  /** `<think></think>` around reasoning. */
  reasoning: 2,
  /** `<tool_call>`, `</tool_call>`, line breaks; keys and values stand in tags instead of JSON's punctuation. */
  toolCall: 6,
  /** `<tool_response>` and its end. */
  toolResult: 4,
  /** The words around the list of tools. */
  tools: 130,
}

/** A PDF holds about a token for 12 bytes; base64 carries 3 bytes in 4 characters. */
const base64CharsPerToken = 16
const typicalDocumentTokens = 2_000
/** How many frames are looked at is not published: a minute or so. */
const typicalVideoTokens = 10_000

/** What a request costs: texts for the vocabulary, and a sum for everything that is not text. */
interface Cost {
  texts: string[]
  tokens: number
}

export function createCounter(vocabulary: Vocabulary): Counter {
  const countTexts = createTextCounter(vocabulary)
  return {
    countRequest(request) {
      const cost: Cost = { texts: [], tokens: template.request }
      for (const message of request.messages) addMessage(message, cost)
      if (request.tools.length > 0) cost.tokens += template.tools
      for (const tool of request.tools) cost.texts.push(toolText(tool))
      if (request.output.type === 'json' && request.output.schema) cost.texts.push(templateJson(request.output.schema))
      return cost.tokens + countTexts(cost.texts)
    },
    countText: (text) => countTexts([text]),
  }
}

function addMessage(message: Message, cost: Cost): void {
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

function addUserPart(part: UserPart, cost: Cost): void {
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

function addAssistantPart(part: AssistantPart, cost: Cost): void {
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

function toolText({ name, description, parameters }: Tool): string {
  return templateJson({ type: 'function', function: { name, description, parameters } })
}

/** Longer ones are told from samples, for which a few spaces make no difference. */
const longestExact = 65_536
/** Deeper ones are nobody's: their indentation, which is made first, would be a hundred times as long as they are. */
const mostLevels = 40

/** JSON as the template's Python prints it: on one line, a space behind every comma and colon. */
function templateJson(value: object): string {
  const compact = JSON.stringify(value)
  if (compact.length > longestExact || tooDeep(value, mostLevels)) return compact
  // Line breaks within strings are escaped, so those that are left are the printer's own.
  return JSON.stringify(value, undefined, 1).replace(/,\n */g, ', ').replace(/\n */g, '')
}
