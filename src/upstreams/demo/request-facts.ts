import {
  type AssistantPart,
  type ChatRequest,
  type Message,
  type ToolCallPart,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import { countTokens, shorten } from './text-pieces.ts'

/** The facts of a request that the demo's answers mention. */
export interface RequestFacts {
  /** Text of the last user message, with its markers. */
  text: string
  /** The model as the client wrote it. */
  asked: string
  /** Messages that are not system prompts. */
  turns: number
  systemCharacters: number
  /** One line each: `image/png, 12 kB`. */
  images: string[]
  documents: string[]
  tools: string[]
  search: boolean
  /** Tool results at the end of the conversation; empty if it does not end with tool results. */
  results: ToolResult[]
  inputTokens: number
}

export interface ToolResult {
  name: string
  text: string
  isError: boolean
}

export function factsOf(request: ChatRequest): RequestFacts {
  const turns = request.messages.filter(isTurn)
  const lastUser = turns.findLast((message) => message.role === 'user')
  const parts = request.messages.flatMap((message) =>
    message.role === 'user' || message.role === 'tool' ? message.parts : [],
  )
  const system = request.messages.flatMap((message) => (message.role === 'system' ? [message.text] : []))
  return {
    text: lastUser?.role === 'user' ? withoutReminders(lastUser.parts) : '',
    asked: request.model,
    turns: request.messages.length - system.length,
    systemCharacters: system.join('').length,
    images: attached(parts, 'image'),
    documents: attached(parts, 'document'),
    tools: request.tools.map((tool) => tool.name),
    search: request.search,
    results: resultsOf(turns),
    inputTokens:
      request.messages.reduce((sum, message) => sum + messageTokens(message), 0) +
      (request.tools.length > 0 ? countTokens(JSON.stringify(request.tools)) : 0),
  }
}

function isTurn(message: Message): boolean {
  if (message.role === 'system') return false
  return (
    message.role !== 'user' ||
    message.parts.some((part) => part.type !== 'text') ||
    withoutReminders(message.parts) !== ''
  )
}

/** The user's own text: Claude Code adds notes to the model in the user's message, which are removed. */
function withoutReminders(parts: readonly UserPart[]): string {
  const [before = '', ...noted] = textOf(parts).split('<system-reminder>')
  return (before + noted.map((note) => note.split('</system-reminder>')[1] ?? '').join('')).trim()
}

function attached(parts: readonly UserPart[], type: 'image' | 'document'): string[] {
  return parts.flatMap((part) => {
    if (part.type !== type) return []
    const { source } = part
    const what = source.type === 'url' ? shorten(source.url, 60) : `${source.mediaType}, ${sizeOf(source.data)}`
    return part.type === 'document' && part.title !== undefined ? [`${shorten(part.title, 40)}, ${what}`] : [what]
  })
}

/** Size of the data in a base64 text. */
function sizeOf(base64: string): string {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  const bytes = Math.floor(((base64.length - padding) * 3) / 4)
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`
}

function resultsOf(turns: readonly Message[]): ToolResult[] {
  const calls = turns.flatMap((message) => (message.role === 'assistant' ? message.parts : [])).filter(isCall)
  const afterLastWord = turns.findLastIndex((message) => message.role !== 'tool') + 1
  return turns.slice(afterLastWord).flatMap((message) => {
    if (message.role !== 'tool') return []
    const name = calls.findLast((call) => call.id === message.callId)?.name ?? message.callId
    return [{ name, text: textOf(message.parts), isError: message.isError }]
  })
}

function isCall(part: AssistantPart): part is ToolCallPart {
  return part.type === 'tool-call'
}

function messageTokens(message: Message): number {
  if (message.role === 'system') return countTokens(message.text)
  const parts: readonly { type: string; text?: string; arguments?: string }[] = message.parts
  return parts.reduce((sum, part) => sum + countTokens(part.text ?? part.arguments ?? ''), 0)
}
