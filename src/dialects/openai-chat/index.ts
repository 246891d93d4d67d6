import { defineDialect } from '../../core/dialect.ts'
import { models } from '../openai/models.ts'
import { decode } from './decode.ts'
import { embeddings } from './embeddings.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { chatBody } from './schema.ts'

/** OpenAI's Chat Completions API, as its SDK 6.49 and eleven client families speak it. */
export const openaiChat = defineDialect({
  id: 'openai-chat',
  label: 'OpenAI Chat Completions',
  routes: [
    { serves: 'reply', method: 'POST', path: '/chat/completions', access: 'client' },
    embeddings,
    { serves: 'model-list', method: 'GET', path: '/models', access: 'client' },
    { serves: 'model', method: 'GET', path: '/models/*', access: 'client' },
  ],
  basePaths: ['/openai', '/openai/v1'],
  // Azure's.
  keyHeaders: ['api-key'],
  credentials: 'openai',
  body: chatBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': ping\n' },
  conversationFields: ['messages', 'input'],
  example: ({ model, text, probeTokens }) => ({
    body: {
      model,
      max_tokens: probeTokens ?? 1024,
      messages: [{ role: 'user', content: text }],
      ...(probeTokens === undefined ? {} : { thinking: { type: 'disabled' } }),
    },
  }),
  models,
  ids: { reply: 'chatcmpl-', toolCall: 'call_' },
})
