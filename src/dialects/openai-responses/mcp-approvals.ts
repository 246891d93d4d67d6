import type { ApprovedCall } from '../../core/mcp.ts'
import { type Fields, textOr } from '../openai/json-fields.ts'
import type { ItemEntry } from './conversation-state.ts'

/**
 * The outcome of a call that a person was asked to approve: it runs now, it has run before, or the model reads `words`,
 * which say why it did not run.
 */
export type ApprovalOutcome = { call: ApprovedCall } | 'made' | { words: string }

export interface Approvals {
  /** The outcome of an item `mcp_approval_request`. */
  outcomeOf(request: Fields): ApprovalOutcome
  /** Whether a response answers a request of this conversation. */
  answers(response: Fields): boolean
}

/**
 * Reads the approvals of a conversation. `justSent` is the index of the first item after the last one of the assistant:
 * only an approval from there on leads to a call. An older approval has already led to a call, even if the item of that
 * call was not sent back, and must not lead to a second one.
 */
export function approvalsOf(
  items: readonly ItemEntry[],
  justSent: number,
  isOffered: (server: string) => boolean,
): Approvals {
  const requests = new Set<string>()
  const made = new Set<string>()
  const responses = new Map<string, { response: Fields; isNew: boolean }>()
  for (const [index, { item }] of items.entries()) {
    if (item.type === 'mcp_approval_request') requests.add(textOr(item.id))
    if (item.type === 'mcp_call' && item.approval_request_id) made.add(textOr(item.approval_request_id))
    if (item.type === 'mcp_approval_response')
      responses.set(textOr(item.approval_request_id), { response: item, isNew: index >= justSent })
  }
  return {
    outcomeOf(request) {
      const id = textOr(request.id)
      const found = responses.get(id)
      if (made.has(id)) return 'made'
      if (found === undefined) return { words: 'This call was not made: nobody has approved it.' }
      const { response, isNew } = found
      const reason = textOr(response.reason)
      if (response.approve !== true)
        return { words: `This call was not made: the user denied it.${reason === '' ? '' : ` Reason: ${reason}`}` }
      const server = textOr(request.server_label)
      if (!isNew) return { words: 'The user approved this call. Its result is not known.' }
      if (!isOffered(server)) return { words: 'This call was not made: the request does not name its server any more.' }
      const tool = textOr(request.name)
      return { call: { callId: id, approvalId: id, server, tool, arguments: textOr(request.arguments, '{}') } }
    },
    answers: (response) => requests.has(textOr(response.approval_request_id)),
  }
}
