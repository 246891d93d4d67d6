import { isRecord } from './json.ts'
import type { ChatRequest } from './request.ts'

/**
 * The same value with U+FFFD in place of each lone surrogate, in texts and in keys. Clients cut texts in the middle of
 * an emoji, and no server can read the rest. Objects without such texts are returned as they are, not copied.
 */
export function wellFormed<Value>(value: Value): Value
export function wellFormed(value: unknown): unknown {
  return isWellFormed(value) ? value : mend(value)
}

/** True of nearly every value, and found in a third of the time that it takes to mend one that needs nothing. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (Array.isArray(value)) return value.every(isWellFormed)
  if (!isRecord(value)) return true
  for (const name in value) {
    const member = value[name]
    const isSimple = typeof member !== 'string' && typeof member !== 'object'
    if (!name.isWellFormed() || !(isSimple || isWellFormed(member))) return false
  }
  return true
}

/** Values inside that need no change are not copied. */
function mend(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return changed(value, value.map(mend)) ?? value
  if (typeof value !== 'object' || value === null) return value
  let mended: [string, unknown][] | undefined
  const keys = Object.keys(value)
  let index = 0
  for (const key of keys) {
    const member: unknown = Reflect.get(value, key)
    const name = key.toWellFormed()
    const whole = mend(member)
    if (!mended && (name !== key || whole !== member))
      mended = keys.slice(0, index).map((before) => [before, Reflect.get(value, before)])
    mended?.push([name, whole])
    index++
  }
  return mended ? Object.fromEntries(mended) : value
}

/** The same for JSON text, where a lone surrogate can also be written as an escape such as `\ud83d`. */
export function wellFormedJson(text: string): string {
  const whole = wellFormed(text)
  return /\\u[dD][89a-fA-F]/.test(whole) ? whole.replace(numbered, wholePair) : whole
}

/** Matches any escape, so that an escaped backslash does not start another one; a pair of surrogates matches as one. */
const numbered = /\\(?:u([dD][89abAB][\da-fA-F]{2})(\\u[dD][c-fC-F][\da-fA-F]{2})?|u([dD][c-fC-F][\da-fA-F]{2})|.)/gs

function wholePair(written: string, high?: string, low?: string, loneLow?: string): string {
  const isHalf = loneLow !== undefined || (high !== undefined && low === undefined)
  return isHalf ? '\ufffd' : written
}

/**
 * The same for the texts of a request: messages, descriptions, schemas, results, and arguments of calls. Tool names
 * stay, because calls come back under them; upstreams with stricter names rename tools themselves.
 */
export function wellFormedRequest(request: ChatRequest): ChatRequest {
  if (isWellFormedRequest(request)) return request
  const { messages, tools, toolChoice, ...rest } = request
  return {
    ...wellFormed(rest),
    messages: kept(messages, messages.map(wellFormedMessage)),
    tools: kept(
      tools,
      tools.map((tool) => renamed(wellFormed(tool), tool.name)),
    ),
    toolChoice,
  }
}

/** True of nearly every request, and found without a copy of anything. */
function isWellFormedRequest(request: ChatRequest): boolean {
  const { messages, tools } = request
  return isWellFormedBut(ownForms, request) && messages.every(isWellFormedMessage) && tools.every(isWellFormedTool)
}

/** Members of a request with rules of their own. */
const ownForms: ReadonlySet<string> = new Set(['messages', 'tools', 'toolChoice'])
const nameAlone: ReadonlySet<string> = new Set(['name'])

function isWellFormedBut(excepted: ReadonlySet<string>, value: object): boolean {
  if (!isRecord(value)) return true
  for (const name in value) if (!excepted.has(name) && !isWellFormed(value[name])) return false
  return true
}

function isWellFormedMessage(message: Message): boolean {
  if (message.role !== 'assistant') return isWellFormed(message)
  return message.parts.every((part) => {
    if (part.type !== 'tool-call') return isWellFormed(part)
    return part.id.isWellFormed() && wellFormedJson(part.arguments) === part.arguments
  })
}

function isWellFormedTool(tool: ChatRequest['tools'][number]): boolean {
  return isWellFormedBut(nameAlone, tool)
}

type Message = ChatRequest['messages'][number]

function wellFormedMessage(message: Message): Message {
  if (message.role !== 'assistant') return wellFormed(message)
  const parts = message.parts.map((part) => {
    if (part.type !== 'tool-call') return wellFormed(part)
    const { id, name, arguments: args } = part
    const whole = { ...part, id: wellFormed(id), arguments: wellFormedJson(args) }
    return whole.id === id && whole.arguments === args ? part : { ...whole, name }
  })
  const all = kept(message.parts, parts)
  return all === message.parts ? message : { ...message, parts: all }
}

function renamed<Named extends { name: string }>(value: Named, name: string): Named {
  return value.name === name ? value : { ...value, name }
}

function changed<Item>(before: readonly Item[], after: readonly Item[]): readonly Item[] | undefined {
  return after.some((item, index) => item !== before[index]) ? after : undefined
}

function kept<Item>(before: readonly Item[], after: readonly Item[]): readonly Item[] {
  return changed(before, after) ?? before
}
