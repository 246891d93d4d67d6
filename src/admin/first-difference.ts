import { isBillingHeader } from '../dialects/openai/billing-header.ts'

/**
 * Where a request first differs from the previous request of its conversation. From there on, the upstream could not use
 * its cache of the prompt.
 */
export interface FirstDifference {
  /** Index of the first message that differs, from 0. Also 0 if the tools or the system prompt differ. */
  index: number
  /** Number of messages in the request. */
  of: number
  /** Role of that message; `system` or `tools` if those differ. */
  role?: string
}

/**
 * Compares the bodies of two requests of one conversation, in any dialect. `undefined` if either is no conversation.
 * Cache markers (`cache_control`) are ignored: clients move them with every turn.
 */
export function firstDifference(previous: string, current: string): FirstDifference | undefined {
  const [before, now] = [conversationIn(previous), conversationIn(current)]
  if (!before || !now) return undefined
  const of = now.messages.length
  for (const name of ['tools', 'system'] as const) if (before[name] !== now[name]) return { index: 0, of, role: name }
  const index = now.messages.findIndex((message, at) => message.text !== before.messages[at]?.text)
  if (index < 0) return { index: of, of }
  const role = now.messages[index]?.role
  return { index, of, ...(role === undefined ? {} : { role }) }
}

interface Conversation {
  tools: string
  system: string
  messages: { text: string; role: string | undefined }[]
}

function conversationIn(body: string): Conversation | undefined {
  const parsed = parsedBody(body)
  if (parsed === undefined) return undefined
  const { messages = parsed.input, system = parsed.instructions, tools } = parsed
  if (!Array.isArray(messages)) return undefined
  return {
    tools: textOf(tools),
    system: textOf(system),
    messages: messages.map((message: unknown) => ({ text: textOf(message), role: roleOf(message) })),
  }
}

function parsedBody(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (name, member: unknown) => {
      if (name === 'cache_control') return undefined
      const text: unknown = typeof member === 'object' && member !== null && 'text' in member ? member.text : undefined
      return typeof text === 'string' && isBillingHeader(text) ? undefined : member
    }) ?? ''
  )
}

function roleOf(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const name: unknown = 'role' in message ? message.role : 'type' in message ? message.type : undefined
  return typeof name === 'string' ? name.slice(0, 40) : undefined
}
