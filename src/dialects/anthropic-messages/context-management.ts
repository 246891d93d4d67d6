import type { AssistantPart, Message, ToolCallPart } from '../../core/request.ts'
import type { OnIgnored } from './conversation.ts'
import type { MessagesBody } from './schema.ts'

/** A shortened conversation, and what was removed from it, as the reply reports it. */
export interface ManagedContext {
  messages: Message[]
  appliedEdits: AppliedEdit[]
}

export interface AppliedEdit {
  type: string
  cleared_input_tokens: number
  /** The number of removed turns or tool uses. */
  [counted: string]: string | number
}

export function clearedTokens(edits: readonly AppliedEdit[]): number {
  return edits.reduce((sum, edit) => sum + edit.cleared_input_tokens, 0)
}

type Edit = NonNullable<NonNullable<MessagesBody['context_management']>['edits']>[number]

/**
 * Carries out `context_management`: removes old tool results and old reasoning from the conversation. A token is
 * estimated as four bytes, for the trigger and in the report. Other edits are reported as ignored.
 * Source: Anthropic's page on context editing, which has these defaults, and the types of SDK 1.14.
 */
export function manageContext(
  messages: readonly Message[],
  edits: readonly Edit[],
  { toolBytes, onIgnored }: { toolBytes: number; onIgnored: OnIgnored },
): ManagedContext {
  let left = [...messages]
  const appliedEdits: AppliedEdit[] = []
  for (const [index, edit] of edits.entries()) {
    const applied = applyEdit(left, edit, toolBytes)
    if (applied === undefined) onIgnored(`context_management.edits.${index} (${edit.type})`)
    else if (applied.appliedEdit) {
      left = applied.messages
      appliedEdits.push({ type: edit.type, ...applied.appliedEdit })
    }
  }
  return { messages: left, appliedEdits }
}

/** `undefined` for an unknown edit. An edit that changes nothing is not reported. */
function applyEdit(messages: Message[], edit: Edit, toolBytes: number): Applied | undefined {
  if (/^clear_thinking_\d/.test(edit.type)) return clearThinking(messages, edit)
  if (/^clear_tool_uses_\d/.test(edit.type)) return clearToolUses(messages, edit, toolBytes)
  return undefined
}

interface Applied {
  messages: Message[]
  appliedEdit?: { cleared_input_tokens: number } & Record<string, number>
}

/** A turn is everything between two messages of the user. Within a turn, a model builds on its earlier reasoning. */
function clearThinking(messages: Message[], { keep }: Edit): Applied {
  if (keep === 'all' || (typeof keep === 'object' && keep?.type === 'all')) return { messages }
  const kept = typeof keep === 'object' ? (keep?.value ?? 1) : 1
  const turns = turnsOf(messages)
  const thinking = [...new Set(turns.filter((_, at) => thinks(messages[at])))]
  const cleared = new Set(thinking.slice(0, Math.max(0, thinking.length - kept)))
  if (cleared.size === 0) return { messages }
  const left = messages.flatMap((message, at): Message[] => {
    if (message.role !== 'assistant' || !cleared.has(turns[at] ?? -1)) return [message]
    const parts = message.parts.filter(({ type }) => type !== 'reasoning')
    return parts.length === 0 ? [] : [{ role: 'assistant', parts }]
  })
  return {
    messages: left,
    appliedEdit: { cleared_input_tokens: saved(messages, left), cleared_thinking_turns: cleared.size },
  }
}

function turnsOf(messages: readonly Message[]): number[] {
  let turn = 0
  return messages.map(({ role }) => {
    if (role === 'user') turn++
    return turn
  })
}

function thinks(message: Message | undefined): boolean {
  return message?.role === 'assistant' && message.parts.some(({ type }) => type === 'reasoning')
}

const clearedResult = '[This result was cleared to save context.]'

/** The oldest results are removed first. The calls stay, so that the model knows what it has done. */
function clearToolUses(messages: Message[], edit: Edit, toolBytes: number): Applied {
  const { trigger, keep, exclude_tools, clear_at_least, clear_tool_inputs } = edit
  const kept = typeof keep === 'object' ? (keep?.value ?? 3) : 3
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? message.parts.filter(isCall) : []))
  const load = trigger?.type === 'tool_uses' ? calls.length : tokensOf(bytesOf(messages) + toolBytes)
  if (load <= (trigger?.value ?? 100_000)) return { messages }
  const excluded = new Set(exclude_tools)
  const old = calls.slice(0, Math.max(0, calls.length - kept)).filter(({ name }) => !excluded.has(name))
  const names = new Map(old.map(({ id, name }) => [id, name]))
  const clearsInput = (name: string) =>
    Array.isArray(clear_tool_inputs) ? clear_tool_inputs.includes(name) : clear_tool_inputs === true
  const left = messages.map((message): Message => {
    if (message.role === 'tool' && names.has(message.callId))
      return { ...message, parts: [{ type: 'text', text: clearedResult }] }
    if (message.role !== 'assistant') return message
    const parts = message.parts.map((part) =>
      isCall(part) && names.has(part.id) && clearsInput(part.name) ? { ...part, arguments: '{}' } : part,
    )
    return { ...message, parts }
  })
  const tokens = saved(messages, left)
  if (tokens <= 0 || tokens < (clear_at_least?.value ?? 0)) return { messages }
  return { messages: left, appliedEdit: { cleared_input_tokens: tokens, cleared_tool_uses: names.size } }
}

function isCall(part: AssistantPart): part is ToolCallPart {
  return part.type === 'tool-call'
}

function saved(before: readonly Message[], after: readonly Message[]): number {
  return tokensOf(bytesOf(before) - bytesOf(after))
}

function tokensOf(bytes: number): number {
  return Math.ceil(bytes / 4)
}

/** The estimated cost of an image, whatever its size in bytes. */
const imageBytes = 6_000

function bytesOf(messages: readonly Message[]): number {
  let bytes = 0
  for (const message of messages) {
    if (message.role === 'system') bytes += Buffer.byteLength(message.text)
    else
      for (const part of message.parts) {
        if (part.type === 'tool-call') bytes += Buffer.byteLength(part.name + part.arguments)
        else bytes += part.type === 'text' || part.type === 'reasoning' ? Buffer.byteLength(part.text) : imageBytes
      }
  }
  return bytes
}
