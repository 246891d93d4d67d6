import { defineDialect } from '../../core/dialect.ts'
import { background } from './background.ts'
import { compactPath } from './compaction.ts'
import { conversationRoutes, conversations } from './conversation-routes.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { responsesBody } from './schema.ts'
import { socket } from './socket.ts'
import { isWanted, references, resolve, save } from './stored-conversation.ts'
import { notFound, storedRoutes } from './stored-routes.ts'

/** OpenAI's Responses API, as its SDK 7.59, Codex 0.169 and five more client families speak it. */
export const openaiResponses = defineDialect({
  id: 'openai-responses',
  label: 'OpenAI Responses',
  routes: [
    { serves: 'reply', method: 'POST', path: '/responses', access: 'client' },
    {
      serves: 'reply',
      method: 'POST',
      path: compactPath,
      access: 'client',
      summary: 'Replace a conversation by a summary of it',
    },
    { serves: 'socket', method: 'GET', path: '/responses', access: 'client', summary: 'Replies over a WebSocket' },
    { serves: 'count', method: 'POST', path: '/responses/input_tokens', access: 'client' },
    ...storedRoutes,
    ...conversationRoutes,
  ],
  credentials: 'openai',
  body: responsesBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': ping\n' },
  ids: { reply: 'resp_', toolCall: 'call_' },
  conversationFields: ['input', 'messages', 'items'],
  example: ({ model, text, probeTokens }) => ({
    body: {
      model,
      input: text,
      ...(probeTokens === undefined ? {} : { max_output_tokens: probeTokens, store: false }),
    },
  }),
  count: {
    encode: (inputTokens) => ({ object: 'response.input_tokens', input_tokens: inputTokens }),
  },
  socket,
  storedConversation: { references, resolve, isWanted, save, notFound, background, conversations },
})
