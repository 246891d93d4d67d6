import { type AssistantPart, type Message, textOf, type UserPart } from '../../core/request.ts'
import { textPart } from '../openai/content.ts'

/** The messages of a conversation that is read item by item. */
export interface MessageBuilder {
  readonly messages: Message[]
  system(text: string): void
  /** Adds to the assistant's turn: one turn is several items. */
  assistant(...parts: AssistantPart[]): void
  user(parts: UserPart[]): void
  call(id: string, name: string, args: string): void
  result(callId: string, parts: UserPart[], isError?: boolean): void
  /** Puts a summary in place of earlier turns. */
  summary(message: Message): void
  /**
   * Sets images and files of a system or assistant message aside. Only user messages can hold them, so they get a turn of
   * their own, which follows the turn that they came with.
   */
  setAside(parts: readonly UserPart[]): void
  /** Adds the turn of what was set aside. */
  showAside(): void
  /** Tells the model that something is missing here. */
  missing(): void
}

export function createMessageBuilder(): MessageBuilder {
  const messages: Message[] = []
  let aside: UserPart[] = []

  return {
    messages,
    system: (text) => void messages.push({ role: 'system', text }),
    assistant,
    user: (parts) => void messages.push({ role: 'user', parts }),
    call: (id, name, args) => assistant({ type: 'tool-call', id, name, arguments: args }),
    result: (callId, parts, isError = false) => void messages.push({ role: 'tool', callId, parts, isError }),
    summary: (message) => void messages.push(message),
    setAside: (parts) => void aside.push(...parts),
    showAside() {
      if (aside.length > 0)
        messages.push({ role: 'user', parts: [...textPart('[Shown with the messages before:]'), ...aside] })
      aside = []
    },
    missing() {
      const note = '[Something that was said here is not stored on this server.]'
      const last = messages.at(-1)
      if (last?.role !== 'user' || textOf(last.parts) !== note) messages.push({ role: 'user', parts: textPart(note) })
    },
  }

  function assistant(...parts: AssistantPart[]): void {
    const last = messages.at(-1)
    if (last?.role === 'assistant') last.parts.push(...parts)
    else if (parts.length > 0) messages.push({ role: 'assistant', parts })
  }
}
