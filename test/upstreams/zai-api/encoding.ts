import type { AssistantPart, ChatRequest, Message, UserPart } from '../../../src/core/request.ts'
import { normaliseConversation } from '../../../src/upstreams/chat-completions/conversation.ts'
import { encode } from '../../../src/upstreams/chat-completions/encode.ts'
import { modelNamed, profile, request } from './support.ts'

export function encoded(more: Partial<ChatRequest>, model = 'glm-4.7', forceToolCall = false) {
  const asked = { ...request, ...more }
  const messages = normaliseConversation(asked.messages, modelNamed(model))
  return encode(
    { ...asked, messages },
    {
      model: modelNamed(model),
      requestId: '00000000-0000-4000-8000-000000000001',
      rules: profile.request,
      label: profile.errors.label,
      tools: asked.toolChoice === 'none' ? [] : asked.tools,
      forceToolCall,
    },
  )
}

export const words: UserPart = { type: 'text', text: 'Hi' }
export const image: UserPart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } }
export const called = (id: string, args = '{}'): AssistantPart => ({
  type: 'tool-call',
  id,
  name: 'get_weather',
  arguments: args,
})
export const result = (callId: string, ...parts: UserPart[]): Message => ({
  role: 'tool',
  callId,
  parts,
  isError: false,
})
