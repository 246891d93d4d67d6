import { defineDialect } from '../../core/dialect.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { chatBody } from './schema.ts'

/** OpenAI's Chat Completions API, as its SDK 6.49 and eleven client families speak it. */
export const openaiChat = defineDialect({
  id: 'openai-chat',
  label: 'OpenAI Chat Completions',
  path: '/chat/completions',
  basePaths: ['/openai', '/openai/v1'],
  credentials: 'openai',
  body: chatBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': ping\n' },
  ids: { reply: 'chatcmpl-', toolCall: 'call_' },
})
