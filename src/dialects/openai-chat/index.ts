import type { Dialect } from '../../core/dialect.ts'
import { decode } from './decode.ts'
import { type ChatOptions, encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { chatBody } from './schema.ts'

/** OpenAI's Chat Completions API, as its SDK 6.49 and eleven client families speak it. */
export const openaiChat: Dialect<ChatOptions> = {
  id: 'openai-chat',
  summary: 'OpenAI Chat Completions',
  path: '/chat/completions',
  credentials: 'openai',
  body: chatBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  keepAlive: ': ping\n',
  ids: { reply: 'chatcmpl-', toolCall: 'call_' },
}
