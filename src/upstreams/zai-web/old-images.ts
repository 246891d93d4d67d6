import type { GatewayError } from '../../core/errors.ts'
import { type ChatRequest, lastUserTurn, type UserPart } from '../../core/request.ts'

/**
 * The request without the images that cannot be sent for the reason given; as it is where there is none. Throws the
 * reason for an image of the user's last turn, who can leave it out. In older turns and tool results a sentence takes
 * its place: nobody could mend it there, and the conversation has to go on.
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
