import type { AssistantPart, Message, UserPart } from '../../core/request.ts'

/** The messages of a conversation that is read message by message, or item by item. */
export interface MessageList {
  readonly messages: readonly Message[]
  add(message: Message): void
  system(text: string): void
  user(parts: readonly UserPart[]): void
  assistant(parts: readonly AssistantPart[]): void
  /** Adds to the assistant's turn where it is the last one. Returns whether it is. */
  continueAssistant(parts: readonly AssistantPart[]): boolean
  result(callId: string, parts: readonly UserPart[], isError?: boolean): void
  /** Sets images and files of a system or assistant message aside: only user messages can hold them. */
  setAside(parts: readonly UserPart[]): void
  /** Returns what was set aside, once. */
  takeAside(): UserPart[]
}

export function messageList(): MessageList {
  const messages: Message[] = []
  // The parts of the last message, if it is the assistant's: more may follow.
  let turn: AssistantPart[] | undefined
  let aside: UserPart[] = []

  return {
    messages,
    add,
    system: (text) => add({ role: 'system', text }),
    user: (parts) => add({ role: 'user', parts }),
    assistant: (parts) => add({ role: 'assistant', parts }),
    continueAssistant(parts) {
      if (!turn) return false
      for (const part of parts) turn.push(part)
      return true
    },
    result: (callId, parts, isError = false) => add({ role: 'tool', callId, parts, isError }),
    setAside(parts) {
      for (const part of parts) aside.push(part)
    },
    takeAside() {
      const taken = aside
      aside = []
      return taken
    },
  }

  function add(message: Message): void {
    turn = message.role === 'assistant' ? [...message.parts] : undefined
    messages.push(message.role === 'assistant' && turn ? { ...message, parts: turn } : message)
  }
}
