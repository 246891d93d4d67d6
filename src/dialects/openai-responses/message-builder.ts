import { type AssistantPart, type Message, textOf } from '../../core/request.ts'
import { textPart } from '../openai/content.ts'
import { type MessageList, messageList } from '../openai/message-list.ts'

/** What was set aside gets a turn of its own, which follows the turn that it came with. */
export interface MessageBuilder extends Omit<MessageList, 'add' | 'assistant' | 'continueAssistant' | 'takeAside'> {
  /** Adds to the assistant's turn: one turn is several items. */
  assistant(...parts: AssistantPart[]): void
  call(id: string, name: string, args: string): void
  /** Puts a summary in place of earlier turns. */
  summary(message: Message): void
  /** Adds the turn of what was set aside. */
  showAside(): void
  /** Tells the model that something is missing here. */
  missing(): void
}

export function createMessageBuilder(): MessageBuilder {
  const list = messageList()

  return {
    ...list,
    assistant,
    call: (id, name, args) => assistant({ type: 'tool-call', id, name, arguments: args }),
    summary: list.add,
    showAside() {
      const aside = list.takeAside()
      if (aside.length > 0) list.user([...textPart('[Shown with the messages before:]'), ...aside])
    },
    missing() {
      const note = '[Something that was said here is not stored on this server.]'
      const last = list.messages.at(-1)
      if (last?.role !== 'user' || textOf(last.parts) !== note) list.user(textPart(note))
    },
  }

  function assistant(...parts: AssistantPart[]): void {
    if (!list.continueAssistant(parts) && parts.length > 0) list.assistant(parts)
  }
}
