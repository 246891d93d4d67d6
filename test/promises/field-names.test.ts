import { expect, test } from 'bun:test'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { gatewayApp } from '../support/gateway.ts'

// The gateway itself calls fields as Chat Completions do. A client of another API would look for them in vain.
const app = gatewayApp([demo({ clock: manualClock(), idleMs: 1_000, paceMs: 0 })])
const model = 'glm-4.7'
const hello = [{ role: 'user', content: 'Hello' }]
const contents = [{ parts: [{ text: 'Hello' }] }]
const generate = `/v1beta/models/${model}:generateContent`
const longStop = ['x'.repeat(5_000)]
const embedding = 'embedding-3'
const embed = `/v1beta/models/${embedding}`
const noText = { content: { parts: [{ text: '' }] } }
const someText = { content: { parts: [{ text: 'a' }] } }

test.each<[path: string, body: object, field: string]>([
  ['/v1/chat/completions', { model, messages: hello, stop: longStop }, 'stop'],
  ['/v1/messages', { model, max_tokens: 9, messages: hello, stop_sequences: longStop }, 'stop_sequences'],
  [generate, { contents, generationConfig: { stopSequences: longStop } }, 'generationConfig.stopSequences'],
  ['/api/chat', { model, messages: hello, options: { stop: longStop } }, 'options.stop'],
  [
    generate,
    { contents, toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } } },
    'toolConfig.functionCallingConfig',
  ],
  ['/v1/embeddings', { model: embedding, input: '' }, 'input'],
  ['/v1/embeddings', { model: embedding, input: ['a', ''] }, 'input.1'],
  ['/api/embed', { model: embedding, input: '' }, 'input'],
  ['/api/embeddings', { model: embedding, prompt: '' }, 'prompt'],
  [`${embed}:embedContent`, noText, 'content'],
  [`${embed}:batchEmbedContents`, { requests: [someText, noText] }, 'requests.1.content'],
  [`${embed}:batchEmbedContents`, { requests: Array.from({ length: 2_049 }, () => someText) }, 'requests'],
])('%s has an error about its own field', async (path, body, field) => {
  const response = await app.handle(
    new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body) }),
  )
  const { error } = await response.json()
  expect(response.status).toBe(400)
  expect(error.message ?? error).toStartWith(`${field}: `)
  if ('param' in Object(error)) expect(error.param).toBe(field)
  for (const { fieldViolations } of error.details ?? [])
    if (fieldViolations) expect(fieldViolations).toEqual([expect.objectContaining({ field })])
})
