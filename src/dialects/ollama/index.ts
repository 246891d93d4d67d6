import { defineDialect } from '../../core/dialect.ts'
import { decode as decodeChat } from './chat/decode.ts'
import { encoder as chatEncoder, encodeReply as encodeChatReply } from './chat/encode.ts'
import { chatBody } from './chat/schema.ts'
import { embed, oldEmbeddings } from './embeddings.ts'
import { encodeError } from './errors.ts'
import { fixedRoutes } from './fixed-routes.ts'
import { decode as decodeGenerate } from './generate/decode.ts'
import { encodeReply as encodeGenerateReply, encoder as generateEncoder } from './generate/encode.ts'
import { generateBody } from './generate/schema.ts'
import { stream } from './line-encoder.ts'
import { models, shownModel } from './models.ts'

/** What both of Ollama's APIs for replies have in common. Its clients append `/api/chat` to the address of a host. */
const common = {
  ownBasePaths: ['/api', '/ollama/api'],
  credentials: 'openai',
  encodeError,
  stream,
  ids: { reply: 'ollama-', toolCall: 'call_' },
} as const

/** Ollama's chat API, and its lists of models; as its SDK 0.6.4 speaks it. */
export const ollamaChat = defineDialect({
  ...common,
  id: 'ollama-chat',
  label: 'Ollama chat',
  routes: [
    { serves: 'reply', method: 'POST', path: '/chat', access: 'client' },
    { serves: 'model-list', method: 'GET', path: '/tags', access: 'client' },
    { serves: 'model', method: 'POST', path: '/show', access: 'client', ...shownModel },
    embed,
    oldEmbeddings,
    ...fixedRoutes,
  ],
  recognises: (headers) => /^ollama\b/i.test(headers.get('user-agent') ?? ''),
  body: chatBody,
  decode: decodeChat,
  encoder: chatEncoder,
  encodeReply: encodeChatReply,
  conversationFields: ['messages'],
  example: ({ model, text, probeTokens }) => ({
    body: {
      model,
      messages: [{ role: 'user', content: text }],
      ...exampleSettings(probeTokens),
    },
  }),
  models,
})

/** Ollama's API for a single prompt. */
export const ollamaGenerate = defineDialect({
  ...common,
  id: 'ollama-generate',
  label: 'Ollama generate',
  routes: [{ serves: 'reply', method: 'POST', path: '/generate', access: 'client' }],
  body: generateBody,
  decode: decodeGenerate,
  encoder: generateEncoder,
  encodeReply: encodeGenerateReply,
  // A prompt has no entries.
  conversationFields: [],
  example: ({ model, text, probeTokens }) => ({
    body: {
      model,
      prompt: text,
      ...exampleSettings(probeTokens),
    },
  }),
  isLegacy: true,
})

/** What the examples of both APIs have besides the prompt. */
function exampleSettings(probeTokens: number | undefined): object {
  return {
    stream: false,
    think: false,
    ...(probeTokens === undefined ? {} : { options: { num_predict: probeTokens } }),
  }
}
