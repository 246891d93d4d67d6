import type { BackgroundFormat } from '../../core/stored-conversation.ts'
import { fieldsOf, isFields, listOf } from '../openai/json-fields.ts'
import { queuedResponse, type ResponsesOptions } from './response.ts'
import { isUnfinished } from './response-status.ts'
import { storedConversationOf } from './stored-conversation.ts'

/** How long a reply is assumed to be still running at another gateway with the same store. */
const longestSeconds = 3_600

/** Responses with `background: true`, which clients poll, cancel, or read from any event on. */
export const background: BackgroundFormat<ResponsesOptions> = {
  queued: (head, options) => ({
    id: head.id,
    reply: queuedResponse(head, options),
    input: storedConversationOf(head, options),
  }),
  update(reply, data) {
    const event = fieldsOf(JSON.parse(data))
    // The first and the last event hold the whole response, and an item is complete in its last event.
    if (isFields(event.response)) return event.response
    return event.type === 'response.output_item.done'
      ? { ...reply, output: [...listOf(reply.output), event.item] }
      : reply
  },
  cancelled: (reply) => ({ ...reply, status: 'cancelled' }),
  failIfAbandoned(reply, nowSeconds) {
    const begunAt = typeof reply.created_at === 'number' ? reply.created_at : nowSeconds
    return isUnfinished(reply) && nowSeconds - begunAt > longestSeconds ? { ...reply, ...abandoned } : reply
  },
}

const abandoned = {
  status: 'failed',
  error: { code: 'server_error', message: 'The gateway stopped before this response was complete. Ask again.' },
}
