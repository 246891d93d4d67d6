import type { AssistantPart, Message, UserPart } from '../../core/request.ts'

/** The messages of a conversation that is read message by message, or item by item. */
export interface MessageBuilder {
  readonly messages: Message[]
  system(text: string): void
  user(parts: UserPart[]): void
  assistant(parts: AssistantPart[]): void
  /** Adds to the assistant's turn: in Responses one turn is several items. */
  continueAssistant(parts: AssistantPart[]): void
  result(callId: string, parts: UserPart[], isError?: boolean): void
  /**
   * Sets an image or file of a system or assistant message aside. Only user messages can hold it, so it goes into the next
   * one, or into a turn of its own before the next turn of the assistant.
   */
  setAside(part: UserPart): void
  /** Adds a turn for what is still set aside. */
  end(): void
}

export function createMessageBuilder(): MessageBuilder {
  const messages: Message[] = []
  let aside: UserPart[] = []

  return {
    messages,
    system: (text) => void messages.push({ role: 'system', text }),
    user,
    assistant,
    continueAssistant(parts) {
      const last = messages.at(-1)
      if (last?.role === 'assistant') for (const part of parts) last.parts.push(part)
      else if (parts.length > 0) assistant(parts)
    },
    result: (callId, parts, isError = false) => void messages.push({ role: 'tool', callId, parts, isError }),
    setAside: (part) => void aside.push(part),
    end: showAside,
  }

  function user(parts: UserPart[]): void {
    messages.push({ role: 'user', parts: [...aside, ...parts] })
    aside = []
  }

  function assistant(parts: AssistantPart[]): void {
    showAside()
    messages.push({ role: 'assistant', parts })
  }

  function showAside(): void {
    if (aside.length > 0) user([])
  }
}
