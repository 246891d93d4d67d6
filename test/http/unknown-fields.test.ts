import { expect, test } from 'bun:test'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { ollamaChat, ollamaGenerate } from '../../src/dialects/ollama/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { unknownFields } from '../../src/http/unknown-fields.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { manualClock } from '../support/clock.ts'
import { gatewayApp } from '../support/gateway.ts'
import { requestContext } from '../support/request-context.ts'

const hello = [{ role: 'user', content: 'Hi' }]
const doors = [
  { dialect: openaiChat, path: '/v1/chat/completions', asks: { messages: hello } },
  { dialect: openaiResponses, path: '/v1/responses', asks: { input: hello } },
  { dialect: anthropicMessages, path: '/v1/messages', asks: { messages: hello, max_tokens: 100 } },
  { dialect: openaiCompletions, path: '/v1/completions', asks: { prompt: 'Hi' } },
  { dialect: ollamaChat, path: '/api/chat', asks: { messages: hello } },
  { dialect: ollamaGenerate, path: '/api/generate', asks: { prompt: 'Hi' } },
] as const
const app = gatewayApp([demo({ clock: manualClock(), idleMs: 1_000, paceMs: 0 })])

async function ignored(path: string, body: object) {
  const text = JSON.stringify({ model: 'glm-4.7', ...body })
  const reply = await app.handle(new Request(`http://localhost${path}`, { method: 'POST', body: text }))
  await reply.text()
  return [reply.status, reply.headers.get('x-zai2api-ignored')]
}

// Others have no `user` of their own.
const isOpenai = (path: string) => !path.endsWith('messages') && path.startsWith('/v1/')

test.each(doors)('$path names fields that nobody reads', async ({ path, asks }) => {
  expect(await ignored(path, { ...asks, of_tomorrow: { a: 1 }, guided_choice: ['a'], nothing: null })).toEqual([
    200,
    'of_tomorrow, guided_choice',
  ])
  expect(await ignored(path, { ...asks, of_tomorrow: true, stream: true })).toEqual([200, 'of_tomorrow'])
  expect(await ignored(path, { ...asks, history: 5 })).toEqual([200, 'history'])
  expect(await ignored(path, { ...asks, user: 'u' })).toEqual([200, isOpenai(path) ? null : 'user'])
})

test.each(doors)('$path writes any name so that a header can carry it', async ({ path, asks }) => {
  const [status, names] = await ignored(path, { ...asks, 'a\r\nb: c': 1, '': 1, ä: 1, ['x'.repeat(9_000)]: 1 })
  expect([status, names]).toEqual([200, `"a\\r\\nb: c", "", "?", ${'x'.repeat(100)}...`])
})

test('of many names a few are told', () => {
  const body = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`field_${n}`, n]))
  const names = unknownFields(body, openaiChat.body)
  expect([names.length, names[0], names.at(-1)]).toEqual([21, 'field_0', '30 more unknown fields'])
})

test('names of every object are unknown fields like others', () => {
  const body: unknown = JSON.parse('{"__proto__": 1, "constructor": 2, "toString": 3}')
  expect(unknownFields(body, openaiChat.body)).toEqual(['__proto__', 'constructor', 'toString'])
})

// What is read but not declared would be honoured and named as ignored.
test.each(doors)('$path declares all that it reads', ({ dialect, asks }) => {
  const read = new Set<string>()
  const body = new Proxy(
    { model: 'glm-4.7', ...asks },
    {
      get(target, name) {
        if (typeof name === 'string') read.add(name)
        return Reflect.get(target, name)
      },
    },
  )
  dialect.decode(body, requestContext())
  // The history is put there for the dialect, not by the client.
  read.delete('history')
  expect([...read].filter((name) => !Object.hasOwn(dialect.body.properties, name))).toEqual([])
})
