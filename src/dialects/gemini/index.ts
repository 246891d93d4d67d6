import { defineDialect } from '../../core/dialect.ts'
import { decode, streamPath } from './decode.ts'
import { batchEmbedContents, embedContent } from './embeddings.ts'
import { encodeReply, encoder } from './encode.ts'
import { encodeError, refusedPrompt } from './errors.ts'
import { keyHeader, sdkHeader } from './headers.ts'
import { models } from './models.ts'
import { geminiBody } from './schema.ts'

/** Google's Gemini API, as its SDK 3.3 and Gemini CLI 0.61 speak it. */
export const gemini = defineDialect({
  id: 'gemini',
  label: 'Google Gemini',
  routes: [
    { serves: 'reply', method: 'POST', path: '/models/:model+:generateContent', access: 'client' },
    {
      serves: 'reply',
      method: 'POST',
      path: streamPath,
      access: 'client',
      summary: 'Google Gemini, as a stream',
      query: [
        {
          name: 'alt',
          description: '`sse` for server-sent events; otherwise the stream is one JSON array.',
          schema: { type: 'string', enum: ['sse', 'json'] },
          example: 'sse',
        },
      ],
    },
    { serves: 'count', method: 'POST', path: '/models/:model+:countTokens', access: 'client' },
    embedContent,
    batchEmbedContents,
    { serves: 'model-list', method: 'GET', path: '/models', access: 'client' },
    { serves: 'model', method: 'GET', path: '/models/*', access: 'client' },
  ],
  // The SDK adds `/v1` to any base URL, older ones and Gemini CLI add `/v1beta`.
  documentedBasePath: '/v1beta',
  basePaths: ['/v1beta', '/v1beta/v1beta', '/v1/v1beta'],
  keyHeaders: [keyHeader],
  keyParameter: 'key',
  recognises: (headers) => headers.has(keyHeader) || headers.has(sdkHeader),
  credentials: 'openai',
  body: geminiBody,
  decode,
  encoder,
  encodeReply,
  encodeError,
  refusedPrompt,
  // A blank line follows: without it the official SDK takes the comment for the first line of the next event, and drops
  // both.
  stream: { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': ping\n\n' },
  ids: { reply: '', toolCall: 'call_' },
  conversationFields: ['contents'],
  example: ({ model, text, probeTokens }) => ({
    params: { model },
    body: {
      contents: [{ role: 'user', parts: [{ text }] }],
      ...(probeTokens === undefined
        ? {}
        : { generationConfig: { maxOutputTokens: probeTokens, thinkingConfig: { thinkingBudget: 0 } } }),
    },
  }),
  models,
  count: { encode: (inputTokens) => ({ totalTokens: inputTokens }) },
})
