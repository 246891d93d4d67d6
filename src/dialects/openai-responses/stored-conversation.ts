import { GatewayError, invalidField } from '../../core/errors.ts'
import type { Reply } from '../../core/events.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'
import type { FindStored, StoredResponse } from '../../core/stored-conversation.ts'
import { truncate } from '../../core/truncate.ts'
import { isFields, listOf, textOr } from '../openai/json-fields.ts'
import { ownBody, referencedItems } from './body-variants.ts'
import { conversationIdOf, conversationNotFound } from './conversation-id.ts'
import { encodeReply } from './encode.ts'
import { itemKey, replyIdOf } from './items.ts'
import type { ResponsesOptions } from './response.ts'
import { isUnfinished } from './response-status.ts'
import type { ItemBody, ResponsesBody } from './schema.ts'
import { storedItem } from './stored-item.ts'

/** A body, and the conversation of its `previous_response_id`. */
export type ResolvedBody = ResponsesBody & { history?: ItemBody[] }

/** The replies and the conversation that a body refers to: the reply that it continues, and those whose items it names. */
export function references(body: ResponsesBody): string[] {
  const replies = [body.previous_response_id, conversationIdOf(body), ...referencedItems(body).map(replyIdOf)]
  return [...new Set(replies.flatMap((id) => id || []))]
}

/**
 * Resolves the references of a body: puts the conversation of `previous_response_id` in front, and stored items in
 * place of references. The instructions of earlier responses are not carried over. References to items that are not
 * stored here stay, because they come from other servers and should not end a conversation.
 *
 * Errors: `invalid-request` naming an unknown previous response.
 */
export function resolve(sent: ResponsesBody, find: FindStored): ResolvedBody {
  // A field of that name belongs to another API.
  const body = { ...sent, history: undefined, input: ownBody(sent).input.map((item) => resolved(item, find)) }
  const { previous_response_id: previousId } = body
  const conversationId = conversationIdOf(body)
  if (conversationId !== undefined) {
    if (previousId) throw invalidField('previous_response_id', 'it cannot be combined with `conversation`.')
    const kept = find(conversationId)
    if (kept?.reply.object !== 'conversation') throw conversationNotFound(conversationId)
    return { ...body, history: kept.input }
  }
  if (!previousId) return body
  const previous = find(previousId)
  if (!previous)
    throw new GatewayError(
      'invalid-request',
      `Previous response with id '${truncate(previousId)}' not found. Send the whole conversation as input instead.`,
      { code: 'previous_response_not_found', param: 'previous_response_id' },
    )
  if (isUnfinished(previous.reply))
    throw new GatewayError(
      'invalid-request',
      `Previous response with id '${truncate(previousId)}' is not complete yet. Wait until its status is completed.`,
      { code: 'previous_response_not_complete', param: 'previous_response_id' },
    )
  return { ...body, history: conversation(previous) }
}

function resolved(item: ItemBody, find: FindStored): ItemBody {
  if (item.type !== 'item_reference') return item
  const reference = textOr(item.id)
  const replyId = replyIdOf(reference)
  const kept = replyId === undefined ? undefined : find(replyId)
  return (kept && conversation(kept).find(({ id }) => id === reference)) ?? item
}

/** The conversation up to the end of a stored response. Each one holds its conversation from the beginning. */
function conversation({ input, reply }: StoredResponse): ItemBody[] {
  return [...input, ...listOf(reply.output).filter(isFields)]
}

export function isWanted({ echo }: ResponsesOptions): boolean {
  return echo.store
}

/** The stored form of a response. A compacted conversation is not stored: the client keeps it. */
export function save(head: ReplyHead, reply: Reply, options: ResponsesOptions): StoredResponse | undefined {
  if (options.compaction?.kept) return undefined
  return {
    id: head.id,
    reply: encodeReply(head, reply, options),
    input: storedConversationOf(head, options),
  }
}

export function storedConversationOf({ id }: ReplyHead, { input }: ResponsesOptions): StoredResponse['input'] {
  return input.map((item, index) => storedItem(item, itemKey(id, `i${index}`)))
}
