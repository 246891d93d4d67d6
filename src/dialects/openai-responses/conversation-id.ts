import { GatewayError } from '../../core/errors.ts'
import { truncate } from '../../core/truncate.ts'
import { isFields, textOr } from '../openai/json-fields.ts'

/** The id in `conversation`, which is a text or an object; `undefined` without one. */
export function conversationIdOf({ conversation }: { conversation?: unknown }): string | undefined {
  return textOr(isFields(conversation) ? conversation.id : conversation) || undefined
}

export function conversationNotFound(id: string): GatewayError {
  return new GatewayError('not-found', `Conversation with id '${truncate(id)}' not found. None is kept for ever.`, {
    code: 'conversation_not_found',
    param: 'conversation',
  })
}
