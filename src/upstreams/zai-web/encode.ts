import { outputInstruction } from '../../core/output-instruction.ts'
import {
  type ChatRequest,
  type ImagePart,
  type Message,
  type TextPart,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import type { WebFile } from './image-upload.ts'
import type { WebModel } from './models.ts'

/** How the conversation is sent: as one user message, or message by message. */
export type MessagesMode = 'flatten' | 'roles'

export interface EncodeOptions {
  model: WebModel
  userName: string
  /** Epoch milliseconds. */
  now: number
  ids: { message: string; userMessage: string }
  mode: MessagesMode
  /** Whether the prompt offers tools. */
  callsTools: boolean
  /** Images that are already uploaded. */
  files: ReadonlyMap<ImagePart, WebFile>
}

export interface Encoded {
  /** The text that is signed: the last user message as it is sent. */
  prompt: string
  /** Body of `POST /api/v1/chats/new`. */
  chat: object
  /** Body of the completion in that chat. With `signed`, it repeats the prompt as `signature_prompt`. */
  completion(chatId: string, signed: boolean): object
}

type WebContent = string | ({ type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } })[]

interface WebMessage {
  role: 'system' | 'user' | 'assistant'
  content: WebContent
}

/** A message reduced to what the site accepts: text and images under one of three roles. */
interface WebTurn {
  role: WebMessage['role']
  parts: (TextPart | ImagePart)[]
}

/**
 * Encodes one request for the site. Tools, tool calls and tool choice must already be text.
 * Shape: recorded in test/upstreams/zai-web/completion_request.json.
 */
export function encode(request: ChatRequest, options: EncodeOptions): Encoded {
  const { model, ids, now } = options
  const turns = withRule(turnsOf(request), outputInstruction(request, options.callsTools))
  const messages =
    options.mode === 'flatten' ? [flatten(turns, options.files)] : turns.map((turn) => encodeTurn(turn, options.files))
  const prompt = promptOf(messages)
  const { search } = request
  const isReasoning = reasons(request, model)
  const files = [...options.files.values()].map((file) => file.entry(ids.userMessage))
  return {
    prompt,
    chat: chatOf({ model, prompt, ids, now, search, isReasoning, files }),
    completion: (chatId, signed) => ({
      stream: true,
      model: model.upstreamId,
      messages,
      ...(signed ? { signature_prompt: prompt } : {}),
      params: paramsOf(request),
      extra: {},
      features: {
        image_generation: false,
        web_search: search,
        auto_web_search: search,
        preview_mode: !model.vision,
        flags: [],
        enable_thinking: isReasoning,
        ...effortOf(request, model, isReasoning),
      },
      variables: variables(options.userName, now),
      ...(search ? { mcp_servers: [model.searchServer] } : {}),
      ...(files.length > 0 ? { files } : {}),
      chat_id: chatId,
      id: ids.message,
      current_user_message_id: ids.userMessage,
      current_user_message_parent_id: null,
      background_tasks: { title_generation: false, tags_generation: false },
    }),
  }
}

/** All images of a request, in order. */
export function imagesOf(request: ChatRequest): ImagePart[] {
  return turnsOf(request).flatMap((turn) => turn.parts.filter(isImage))
}

function turnsOf(request: ChatRequest): WebTurn[] {
  const turns: WebTurn[] = []
  for (const message of request.messages) {
    const turn = turnOf(message)
    if (turn.parts.every((part) => part.type === 'text' && part.text === '')) continue
    turns.splice(turn.role === 'system' ? beforeLastWords(turns) : turns.length, 0, turn)
  }
  return turns
}

/** Appends the rule to the system prompt. */
function withRule(turns: readonly WebTurn[], rule: string | undefined): readonly WebTurn[] {
  if (rule === undefined) return turns
  const [first, ...rest] = turns
  if (first?.role !== 'system') return [{ role: 'system', parts: [{ type: 'text', text: rule }] }, ...turns]
  return [{ role: 'system', parts: [...first.parts, { type: 'text', text: `\n${rule}` }] }, ...rest]
}

function turnOf(message: Message): WebTurn {
  switch (message.role) {
    case 'system':
      return { role: 'system', parts: [{ type: 'text', text: message.text }] }
    case 'assistant':
      return { role: 'assistant', parts: message.parts.filter((part) => part.type === 'text') }
    case 'user':
    case 'tool':
      return { role: 'user', parts: message.parts.map(readable) }
    default:
      return message satisfies never
  }
}

/** Some clients add system reminders after the user's message, but the user's message has to come last. */
function beforeLastWords(turns: readonly WebTurn[]): number {
  const lastOther = turns.findLastIndex((turn) => turn.role !== 'user')
  return lastOther + 1
}

function readable(part: UserPart): TextPart | ImagePart {
  if (part.type === 'video') return { type: 'text', text: '[A video was here; it cannot be shown to this model.]' }
  if (part.type !== 'document') return part
  const name = part.title === undefined ? 'A file' : `The file "${part.title}"`
  return { type: 'text', text: `[${name} was attached here, but it could not be read.]` }
}

function isImage(part: TextPart | ImagePart): part is ImagePart {
  return part.type === 'image'
}

const labels = { system: '[System]', user: '[User]', assistant: '[Assistant]' } satisfies Record<
  WebTurn['role'],
  string
>

/** The conversation as one user message: system text first, then the turns, the newest last. */
function flatten(turns: readonly WebTurn[], files: EncodeOptions['files']): WebMessage {
  const [only] = turns
  if (turns.length === 1 && only?.role === 'user') return encodeTurn(only, files)
  const images = turns.flatMap((turn) => turn.parts.filter(isImage))
  const conversation = turns.filter((turn) => turn.role !== 'system')
  const sections = turns.map((turn) => {
    const lines = turn.parts.map((part) => (part.type === 'text' ? part.text : `[Image ${images.indexOf(part) + 1}]`))
    const section = [labels[turn.role], ...lines].join('\n')
    return turn === conversation[0] && conversation.length > 1 ? `${historyNote}\n\n${section}` : section
  })
  return encodeTurn({ role: 'user', parts: [{ type: 'text', text: sections.join('\n\n') }, ...images] }, files)
}

const historyNote =
  'The conversation so far, each turn under the name of its speaker. Reply as [Assistant] to the last turn, without writing the label.'

function encodeTurn({ role, parts }: WebTurn, files: EncodeOptions['files']): WebMessage {
  const text = textOf(parts)
  const references = parts.flatMap((part) => {
    const file = part.type === 'image' ? files.get(part) : undefined
    return file === undefined ? [] : [{ type: 'image_url' as const, image_url: { url: file.id } }]
  })
  return { role, content: references.length === 0 ? text : [{ type: 'text', text }, ...references] }
}

function promptOf(messages: WebMessage[]): string {
  const content = messages.findLast((message) => message.role === 'user')?.content ?? ''
  return typeof content === 'string' ? content : textOf(content)
}

/** A model that reasons by default would write its reasoning into the answer if reasoning were off. */
function reasons({ reasoning }: ChatRequest, model: WebModel): boolean {
  switch (model.reasoning) {
    case 'never':
      return false
    case 'on-request':
      return reasoning.mode === 'on'
    case 'by-default':
      return true
    default:
      return model.reasoning satisfies never
  }
}

function effortOf({ reasoning: { effort } }: ChatRequest, model: WebModel, isReasoning: boolean): object {
  if (!isReasoning || effort === undefined || !takesEffort(effort, model)) return {}
  return { reasoning_effort: effort }
}

/** The site knows only the efforts `high` and `max`; with another one it uses its default. */
export function takesEffort(effort: string, model: WebModel): boolean {
  return model.reasoningEffort && (effort === 'high' || effort === 'max')
}

function paramsOf({ sampling: { temperature, topP, maxTokens } }: ChatRequest): object {
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
  }
}

/** The braces are part of the keys. Times are the gateway's own, in UTC. */
function variables(userName: string, now: number): Record<string, string> {
  const [date = '', time = ''] = new Date(now).toISOString().slice(0, 19).split('T')
  return {
    '{{USER_NAME}}': userName,
    '{{USER_LOCATION}}': 'Unknown',
    '{{CURRENT_DATETIME}}': `${date} ${time}`,
    '{{CURRENT_DATE}}': date,
    '{{CURRENT_TIME}}': time,
    '{{CURRENT_WEEKDAY}}': new Intl.DateTimeFormat('en-US', { weekday: 'long', timeZone: 'UTC' }).format(now),
    '{{CURRENT_TIMEZONE}}': 'UTC',
    '{{USER_LANGUAGE}}': 'en-US',
  }
}

interface NewChat {
  model: WebModel
  prompt: string
  ids: EncodeOptions['ids']
  now: number
  search: boolean
  isReasoning: boolean
  files: object[]
}

/** The new chat gets only the beginning of the prompt, enough for a title; the completion carries all of it. */
const storedPromptLength = 500

function chatOf({ model, prompt, ids, now, search, isReasoning, files }: NewChat): object {
  const message = {
    id: ids.userMessage,
    parentId: null,
    childrenIds: [],
    role: 'user',
    content: prompt.slice(0, storedPromptLength).toWellFormed(),
    timestamp: Math.floor(now / 1000),
    models: [model.upstreamId],
    ...(files.length > 0 ? { files } : {}),
  }
  return {
    chat: {
      id: '',
      title: 'New Chat',
      models: [model.upstreamId],
      params: {},
      history: { messages: { [ids.userMessage]: message }, currentId: ids.userMessage },
      tags: [],
      flags: [],
      features: [{ type: 'tool_selector', server: 'tool_selector_h', status: 'hidden' }],
      mcp_servers: search ? [model.searchServer] : [],
      enable_thinking: isReasoning,
      auto_web_search: search,
      message_version: 1,
      extra: {},
      timestamp: now,
    },
  }
}
