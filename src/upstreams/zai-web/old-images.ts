import type { GatewayError } from '../../core/errors.ts'
import { type ChatRequest, lastUserTurn, type UserPart } from '../../core/request.ts'

/**
 * The request without the images that cannot be sent because of `reason`; the request itself if `reason` is
 * `undefined`. Throws `reason` for an image in the newest user message, because the user can leave it out. In older
 * messages and tool results a sentence replaces the image: the user cannot change them, and the conversation has to
 * continue.
 */
export function withoutUnsendable(request: ChatRequest, reason: GatewayError | undefined): ChatRequest {
  if (reason === undefined) return request
  const newest = lastUserTurn(request.messages)
  const messages = request.messages.map((message, index) => {
    if ((message.role !== 'user' && message.role !== 'tool') || !message.parts.some(isImage)) return message
    if (index >= newest) throw reason
    return { ...message, parts: message.parts.map((part) => (isImage(part) ? placeholder : part)) }
  })
  return { ...request, messages }
}

const placeholder: UserPart = { type: 'text', text: '[An image was here; it cannot be sent with this conversation.]' }

function isImage({ type }: UserPart): boolean {
  return type === 'image'
}
