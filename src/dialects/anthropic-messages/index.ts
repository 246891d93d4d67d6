import { defineDialect } from '../../core/dialect.ts'
import { batches, batchRoutes } from './batches.ts'
import { clearedTokens } from './context-management.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { gatewayRoutes } from './gateway-routes.ts'
import { keyHeader, versionHeader } from './headers.ts'
import { models } from './models.ts'
import { messagesBody } from './schema.ts'

/** Anthropic's Messages API, as its SDK 1.14 and Claude Code 2.1 speak it. */
export const anthropicMessages = defineDialect({
  id: 'anthropic-messages',
  label: 'Anthropic Messages',
  routes: [
    { serves: 'reply', method: 'POST', path: '/messages', access: 'client' },
    // Claude Code sends about 26 of these requests at once and adds up the results.
    { serves: 'count', method: 'POST', path: '/messages/count_tokens', access: 'client' },
    ...batchRoutes,
    ...gatewayRoutes,
    { serves: 'model-list', method: 'GET', path: '/models', access: 'client' },
    { serves: 'model', method: 'GET', path: '/models/*', access: 'client' },
  ],
  // The SDK adds `/v1` to any base URL.
  basePaths: [
    ...['/anthropic', '/anthropic/v1', '/anthropic/v1/v1'],
    ...['/api/anthropic', '/api/anthropic/v1', '/api/anthropic/v1/v1'],
  ],
  keyHeaders: [keyHeader],
  recognises: (headers) => headers.has(versionHeader),
  credentials: 'anthropic',
  body: messagesBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: 'event: ping\ndata: {"type": "ping"}\n\n' },
  ids: { reply: 'msg_', toolCall: 'toolu_' },
  conversationFields: ['messages'],
  example: ({ model, text, probeTokens = 1024 }) => ({
    body: { model, max_tokens: probeTokens, messages: [{ role: 'user', content: text }] },
  }),
  models,
  batches,
  count: {
    encode: (inputTokens, { appliedEdits }) => ({
      input_tokens: inputTokens,
      context_management: appliedEdits ? { original_input_tokens: inputTokens + clearedTokens(appliedEdits) } : null,
    }),
  },
})
