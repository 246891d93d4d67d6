import { defineDialect } from '../../core/dialect.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { completionBody } from './schema.ts'

/** OpenAI's legacy Completions API: a prompt in, text out. For tools from before chat models. */
export const openaiCompletions = defineDialect({
  id: 'openai-completions',
  label: 'OpenAI Completions (legacy)',
  routes: [{ serves: 'reply', method: 'POST', path: '/completions', access: 'client' }],
  credentials: 'openai',
  body: completionBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': ping\n' },
  // A prompt has no entries.
  conversationFields: [],
  example: ({ model, text, probeTokens }) => ({
    body: { model, prompt: text, ...(probeTokens === undefined ? {} : { max_tokens: probeTokens }) },
  }),
  isLegacy: true,
  ids: { reply: 'cmpl-', toolCall: 'call_' },
})
