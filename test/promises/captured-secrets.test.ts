import { afterAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { systemClock } from '../../src/async/system-clock.ts'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { createCapture } from '../../src/observe/capture.ts'
import { secretFinder } from '../../src/observe/redaction.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { startGateway } from '../support/gateway.ts'
import { chatRoute, chunks, refusal, scriptedApi } from '../support/zai-api.ts'

// Secrets of the operator, planted wherever a client or an upstream can put them, in pieces of any size: none of them
// stands in what is kept of the request, neither in one piece nor in what a reader puts together of the pieces.

const secrets = ['Pl4nted-Secret.0123456789abcdef', 'sk-planted0123456789abcdefghij', 'f00dfeed'.repeat(4)]
/** The gateway itself does not know it: of a key that was made it keeps the SHA-256 alone. */
const issued = `z2a_${'Q7mZx2Lr9TbVw4Nc8KdYh'.repeat(3).slice(0, 43)}`

/** How a secret may be written. */
const forms: Record<string, (secret: string) => string> = {
  plain: (secret) => secret,
  base64: (secret) => Buffer.from(secret).toString('base64'),
  'Basic authentication': (secret) => `Basic ${Buffer.from(`user:${secret}`).toString('base64')}`,
  hex: (secret) => Buffer.from(secret).toString('hex'),
  'URL encoding': (secret) => secret.replace(/[^a-z]/g, (one) => `%${one.charCodeAt(0).toString(16)}`),
}

const api = scriptedApi(secrets)
const server = api.listen()
const capture = createCapture({
  clock: systemClock,
  configured: () => ({ mode: 'memory', maxBytes: 10_000_000, maxDiskBytes: 1_000_000 }),
  findSecrets: secretFinder(createSecretFinder(secrets)),
})
const upstream = apiUpstream({
  ...{ origin: new URL(server.baseUrl).origin, key: secrets, idleMs: 5_000 },
  fetch: losslessFetch(fetch, async () => [{ address: '127.0.0.1' }]),
})
const gateway = startGateway([upstream], { capture, secrets })
afterAll(async () => {
  await gateway.stop()
  server.stop()
})

/** The values of the texts in JSON, joined by the name of their member, as a view of the conversation joins them. */
function joined(text: string): string {
  const members = new Map<string, string>()
  for (const [, name = '', value = ''] of text.matchAll(/"(\w+)":"((?:[^"\\]|\\.)*)"/g))
    members.set(name, (members.get(name) ?? '') + value)
  return [...members.values()].join('\n')
}

/** A secret, or a half of one, in any form. */
function leaks(text: string): string[] {
  const written = [...secrets, issued].flatMap((secret) => Object.values(forms).map((write) => write(secret)))
  const parts = written.flatMap((secret) => {
    const half = Math.max(12, Math.ceil(secret.length / 2))
    return [secret.slice(0, half), secret.slice(-half)]
  })
  return parts.filter((part) => text.toLowerCase().includes(part.toLowerCase()))
}

test('the search itself finds what is there', () => {
  expect(leaks(`x${secrets[0]}x`)).toHaveLength(2)
  expect(joined('{"content":"ab"} {"delta":{"content":"c\\"d"}}')).toBe('abc\\"d')
})

const planted = fc.record({
  secret: fc.constantFrom(...secrets, issued),
  form: fc.constantFrom(...Object.keys(forms)),
  before: fc.constantFrom('', 'Use ', 'é', '"', '\\', '='),
  after: fc.constantFrom('', ' now.', '\n', '"', '&'),
  cuts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
})

/** The text in pieces of these sizes, in turn. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const all: string[] = []
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = cuts[turn % cuts.length] ?? 1
    all.push(text.slice(at, at + size))
    at += size
  }
  return all
}

type Spot = 'prompt' | 'header' | 'url' | 'text' | 'reasoning' | 'arguments' | 'refusal'
const paths = ['/v1/chat/completions', '/v1/messages', '/v1/responses'] as const

describe.each<Spot>(['prompt', 'header', 'url', 'text', 'reasoning', 'arguments', 'refusal'])('in the %s', (spot) => {
  test.each(paths)('of %s', async (path) => {
    await fc.assert(
      fc.asyncProperty(planted, fc.boolean(), async ({ secret, form, before, after, cuts }, stream) => {
        const written = forms[form]?.(secret) ?? secret
        const text = before + written + after
        const deltas =
          spot === 'text'
            ? pieces(text, cuts).map((content) => ({ delta: { content } }))
            : spot === 'reasoning'
              ? pieces(text, cuts).map((reasoning_content) => ({ delta: { reasoning_content } }))
              : spot === 'arguments'
                ? pieces(JSON.stringify({ text }), cuts).map((part, at) => ({
                    delta: {
                      tool_calls: [
                        at === 0
                          ? { index: 0, id: 'c1', type: 'function', function: { name: 'Say', arguments: part } }
                          : { index: 0, function: { arguments: part } },
                      ],
                    },
                  }))
                : []
        const reply = () => chunks(...deltas, { delta: { content: 'Done.' } }, { finish_reason: 'stop' })
        if (spot === 'refusal') api.script(chatRoute, refusal(400, '1214', `About ${text}`))
        else api.script(chatRoute, reply())
        const response = await fetch(
          `${gateway.url}${path}${spot === 'url' ? `?token=${encodeURIComponent(secret)}&q=${encodeURIComponent(text)}` : ''}`,
          {
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              authorization: `Bearer ${secret}`,
              ...(spot === 'header' ? { 'x-note': `see ${written}`, cookie: `a=${secret}` } : {}),
            },
            body: JSON.stringify({
              ...{ model: 'glm-4.6', stream },
              ...(path === '/v1/responses' ? { input: `Hello ${spot === 'prompt' ? text : ''}` } : {}),
              ...(path === '/v1/responses'
                ? {}
                : { messages: [{ role: 'user', content: `Hello ${spot === 'prompt' ? text : ''}` }], max_tokens: 100 }),
              ...(spot === 'arguments' ? toolsOf(path) : {}),
            }),
          },
        )
        await response.text()
        const read = await capture.read(response.headers.get('x-request-id') ?? '')
        if (typeof read === 'string') throw new Error(read)
        expect(read.bodies.map(({ name }) => name)).toContain('upstream-reply')
        for (const body of read.bodies) {
          const whole = body.chunks.map((chunk) => chunk.text).join('')
          expect(leaks(JSON.stringify(body))).toEqual([])
          expect(leaks(whole)).toEqual([])
          expect(leaks(joined(whole))).toEqual([])
        }
      }),
      { numRuns: 12 },
    )
  })
})

function toolsOf(path: (typeof paths)[number]): object {
  const parameters = { type: 'object', properties: { text: { type: 'string' } } }
  switch (path) {
    case '/v1/messages':
      return { tools: [{ name: 'Say', input_schema: parameters }] }
    case '/v1/responses':
      return { tools: [{ type: 'function', name: 'Say', parameters }] }
    default:
      return { tools: [{ type: 'function', function: { name: 'Say', parameters } }] }
  }
}
