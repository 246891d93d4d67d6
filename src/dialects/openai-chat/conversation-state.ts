import type { ConversationEntry } from '../openai/conversation-entries.ts'
import { type Fields, textOr } from '../openai/json-fields.ts'
import type { CustomName } from '../openai/tool-call.ts'
import { createMessageBuilder, type MessageBuilder } from './message-builder.ts'

/** What is known of a conversation while its entries are decoded one after the other. */
export interface ConversationState {
  /** The messages so far. */
  readonly builder: MessageBuilder
  /** The path and type of everything that was left out. */
  readonly ignored: string[]
  readonly customName: CustomName
  /** The index of the first entry after the last one of the assistant. */
  readonly justSent: number
  /**
   * The id of the `function_call` in the last message of the assistant. Legacy functions have no ids, so their results
   * belong to the call before them.
   */
  functionCallId: string
}

export function conversationState(entries: readonly ConversationEntry[], customName: CustomName): ConversationState {
  const justSent = (entries.findLast(({ fields }) => isByAssistant(fields))?.index ?? -1) + 1
  return { builder: createMessageBuilder(), ignored: [], customName, justSent, functionCallId: '' }
}

function isByAssistant({ role, type }: Fields): boolean {
  return role === 'assistant' || (role === undefined && /_call$|^reasoning$/.test(textOr(type)))
}

/** Options for reading parts that are not in the user's last message: an unreadable file is no error there. */
export function tolerant({ ignored }: ConversationState): { ignored: string[]; rejects: boolean } {
  return { ignored, rejects: false }
}
