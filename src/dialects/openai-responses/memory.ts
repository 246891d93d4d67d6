import { brief } from '../../core/brief.ts'
import type { Find, KeptReply, ReplyHead } from '../../core/dialect.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Reply } from '../../core/events.ts'
import { itemsOf } from './decode.ts'
import { encodeReply, type ResponsesOptions } from './encode.ts'
import { itemKey, replyIdOf } from './items.ts'
import type { Content, ItemBody, ResponsesBody } from './schema.ts'

/**
 * A body with what it refers to in its place: the conversation of `previous_response_id` in front, stored items
 * instead of references. The instructions of earlier responses are not carried over.
 *
 * Errors: `invalid-request` naming the id nobody knows.
 */
export function recall(checked: unknown, find: Find): ResponsesBody {
  const body = checked as ResponsesBody // the door has checked it against the schema
  const { previous_response_id: previousId } = body
  const own = itemsOf(body.input).map((item, index) => resolved(item, index, find))
  if (!previousId) return { ...body, input: own }
  const previous = find(previousId)
  if (!previous)
    throw new GatewayError(
      'invalid-request',
      `Previous response with id '${brief(previousId)}' not found. Send the whole conversation as input instead.`,
      { code: 'previous_response_not_found', param: 'previous_response_id' },
    )
  return { ...body, input: [...conversation(previous), ...own] }
}

function resolved(item: ItemBody, index: number, find: Find): ItemBody {
  if (item.type !== 'item_reference') return item
  const reference = item.id ?? ''
  const replyId = replyIdOf(reference)
  const kept = replyId === undefined ? undefined : find(replyId)
  const found = kept && conversation(kept).find((kept) => idOf(kept) === reference)
  if (found) return found
  throw new GatewayError(
    'invalid-request',
    `Item with id '${brief(reference)}' not found. Responses are stored unless \`store\` is false, and not for ever; send the item itself.`,
    { param: `input.${index}.id` },
  )
}

function idOf(item: ItemBody): string | undefined {
  return ('id' in item ? item.id : undefined) ?? undefined
}

/** All that was said up to the end of a stored response: each one holds its conversation from the beginning. */
function conversation({ input, reply }: KeptReply): ItemBody[] {
  return [...input, ...(Array.isArray(reply.output) ? reply.output : [])] as ItemBody[] // as `keep` wrote them
}

/** What is stored of a response: nothing when the client said `store: false`. */
export function keep(head: ReplyHead, reply: Reply, options: ResponsesOptions): KeptReply | undefined {
  if (!options.echo.store) return undefined
  return {
    id: head.id,
    reply: encodeReply(head, reply, options),
    input: options.input.map((item, index) => normalised(item, itemKey(head.id, `i${index}`))),
  }
}

const itemPrefixOf: Record<string, string> = {
  message: 'msg_',
  reasoning: 'rs_',
  function_call: 'fc_',
  custom_tool_call: 'ctc_',
  local_shell_call: 'lsh_',
  shell_call: 'sh_',
  apply_patch_call: 'apc_',
  tool_search_call: 'tsc_',
  web_search_call: 'ws_',
}

/** Listed items have a type, an id and parts, however briefly the client wrote them. */
function normalised(item: ItemBody, key: string): Record<string, unknown> {
  const type = item.type ?? 'message'
  const id = idOf(item) ?? `${itemPrefixOf[type] ?? 'item_'}${key}`
  if (!('role' in item) || !('content' in item)) return { ...item, type, id }
  return { ...item, type, id, status: 'completed', content: contentParts(item.content, item.role) }
}

function contentParts(content: Content, role: string): object[] {
  if (typeof content !== 'string') return content
  return role === 'assistant'
    ? [{ type: 'output_text', annotations: [], text: content }]
    : [{ type: 'input_text', text: content }]
}
