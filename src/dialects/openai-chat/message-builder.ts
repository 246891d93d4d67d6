import type { AssistantPart, UserPart } from '../../core/request.ts'
import { type MessageList, messageList } from '../openai/message-list.ts'

/** What was set aside goes into the next user message, or into a turn of its own before the next turn of the assistant. */
export interface MessageBuilder extends Omit<MessageList, 'add' | 'continueAssistant' | 'takeAside'> {
  /** Adds to the assistant's turn: in Responses one turn is several items. */
  continueAssistant(parts: readonly AssistantPart[]): void
  /** Adds a turn for what is still set aside. */
  end(): void
}

export function createMessageBuilder(): MessageBuilder {
  const list = messageList()

  return {
    ...list,
    user,
    assistant,
    continueAssistant(parts) {
      if (!list.continueAssistant(parts) && parts.length > 0) assistant(parts)
    },
    end: showAside,
  }

  function user(parts: readonly UserPart[]): void {
    list.user([...list.takeAside(), ...parts])
  }

  function assistant(parts: readonly AssistantPart[]): void {
    showAside()
    list.assistant(parts)
  }

  function showAside(): void {
    const aside = list.takeAside()
    if (aside.length > 0) list.user(aside)
  }
}
