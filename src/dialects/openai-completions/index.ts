import type { Dialect } from '../../core/dialect.ts'
import { decode } from './decode.ts'
import { type CompletionOptions, encodeReply, encoder } from './encode.ts'
import { encodeError } from './errors.ts'
import { completionBody } from './schema.ts'

/** OpenAI's legacy Completions API: a prompt in, text out. For tools from before chat models. */
export const openaiCompletions: Dialect<CompletionOptions> = {
  id: 'openai-completions',
  summary: 'OpenAI Completions (legacy)',
  path: '/completions',
  credentials: 'openai',
  body: completionBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  keepAlive: ': ping\n',
  ids: { reply: 'cmpl-', toolCall: 'call_' },
}
