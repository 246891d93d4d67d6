import { defineDialect } from '../../core/dialect.ts'
import { clearedTokens } from './context-management.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { messagesBody } from './schema.ts'

/** Anthropic's Messages API, as its SDK 1.14 and Claude Code 2.1 speak it. */
export const anthropicMessages = defineDialect({
  id: 'anthropic-messages',
  label: 'Anthropic Messages',
  path: '/messages',
  // The SDK adds a `/v1` of its own to whatever it is given.
  basePaths: ['/anthropic', '/anthropic/v1', '/anthropic/v1/v1'],
  recognises: (headers) => headers.has('anthropic-version'),
  credentials: 'anthropic',
  body: messagesBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: 'event: ping\ndata: {"type": "ping"}\n\n' },
  ids: { reply: 'msg_', toolCall: 'toolu_' },
  count: {
    path: '/count_tokens',
    encode: (inputTokens, { appliedEdits }) => ({
      input_tokens: inputTokens,
      context_management: appliedEdits ? { original_input_tokens: inputTokens + clearedTokens(appliedEdits) } : null,
    }),
  },
})
