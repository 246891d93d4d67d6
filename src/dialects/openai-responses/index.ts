import type { Dialect } from '../../core/dialect.ts'
import { decode } from './decode.ts'
import { encodeReply, encoder, type ResponsesOptions } from './encode.ts'
import { encodeError } from './errors.ts'
import { responsesBody } from './schema.ts'
import { resolve, save } from './stored-conversation.ts'

/** OpenAI's Responses API, as its SDK 7.59, Codex 0.169 and five more client families speak it. */
export const openaiResponses: Dialect<ResponsesOptions> = {
  id: 'openai-responses',
  summary: 'OpenAI Responses',
  path: '/responses',
  credentials: 'openai',
  body: responsesBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  keepAlive: ': ping\n',
  ids: { reply: 'resp_', toolCall: 'call_' },
  count: {
    path: '/input_tokens',
    encode: (inputTokens) => ({ object: 'response.input_tokens', input_tokens: inputTokens }),
  },
  storedConversation: { resolve, save },
}
