import type { Dialect } from '../../core/dialect.ts'
import { clearedTokens } from './context-management.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder, type MessagesOptions } from './encode.ts'
import { encodeError } from './errors.ts'
import { messagesBody } from './schema.ts'

/** Anthropic's Messages API, as its SDK 1.14 and Claude Code 2.1 speak it. */
export const anthropicMessages: Dialect<MessagesOptions> = {
  id: 'anthropic-messages',
  summary: 'Anthropic Messages',
  path: '/messages',
  credentials: 'anthropic',
  body: messagesBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  keepAlive: 'event: ping\ndata: {"type": "ping"}\n\n',
  ids: { reply: 'msg_', toolCall: 'toolu_' },
  count: {
    path: '/count_tokens',
    encode: (inputTokens, { appliedEdits } = { thinking: 'hidden' }) => ({
      input_tokens: inputTokens,
      context_management: appliedEdits ? { original_input_tokens: inputTokens + clearedTokens(appliedEdits) } : null,
    }),
  },
}
