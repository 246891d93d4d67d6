import { defineDialect } from '../../core/dialect.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { completionBody } from './schema.ts'

/** OpenAI's legacy Completions API: a prompt in, text out. For tools from before chat models. */
export const openaiCompletions = defineDialect({
  id: 'openai-completions',
  label: 'OpenAI Completions (legacy)',
  path: '/completions',
  credentials: 'openai',
  body: completionBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': ping\n' },
  ids: { reply: 'cmpl-', toolCall: 'call_' },
})
