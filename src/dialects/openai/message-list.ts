import type { AssistantPart, Message, UserPart } from '../../core/request.ts'

/** The messages of a conversation that is read message by message, or item by item. */
export interface MessageList {
  readonly messages: Message[]
  system(text: string): void
  user(parts: UserPart[]): void
  assistant(parts: AssistantPart[]): void
  /** Adds to the assistant's turn where it is the last one. Returns whether it is. */
  continueAssistant(parts: readonly AssistantPart[]): boolean
  result(callId: string, parts: UserPart[], isError?: boolean): void
  /** Sets images and files of a system or assistant message aside: only user messages can hold them. */
  setAside(parts: readonly UserPart[]): void
  /** Returns what was set aside, once. */
  takeAside(): UserPart[]
}

export function messageList(): MessageList {
  const messages: Message[] = []
  let aside: UserPart[] = []

  return {
    messages,
    system: (text) => void messages.push({ role: 'system', text }),
    user: (parts) => void messages.push({ role: 'user', parts }),
    assistant: (parts) => void messages.push({ role: 'assistant', parts }),
    continueAssistant(parts) {
      const last = messages.at(-1)
      if (last?.role !== 'assistant') return false
      for (const part of parts) last.parts.push(part)
      return true
    },
    result: (callId, parts, isError = false) => void messages.push({ role: 'tool', callId, parts, isError }),
    setAside(parts) {
      for (const part of parts) aside.push(part)
    },
    takeAside() {
      const taken = aside
      aside = []
      return taken
    },
  }
}
