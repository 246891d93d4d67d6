import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway, until } from '../support/gateway.ts'

const messages = [{ role: 'user', content: 'Hello' }]

test.each<[string, string, string, object | undefined, number]>([
  ['a streamed reply', 'POST', '/v1/chat/completions', { model: 'GLM-4.5', stream: true, messages }, 200],
  ['a whole reply', 'POST', '/v1/messages', { model: 'GLM-4.5', max_tokens: 50, messages }, 200],
  ['a body that is none', 'POST', '/v1/responses', { model: 5 }, 400],
  ['a model nobody has', 'POST', '/v1/completions', { model: 'llama', prompt: 'Hello' }, 404],
  ['a count', 'POST', '/v1/messages/count_tokens', { model: 'GLM-4.5', messages }, 200],
  ['the list of models', 'GET', '/v1/models', undefined, 200],
  ['an answer without content', 'DELETE', '/admin/api/session', undefined, 204],
  ['a page that has moved', 'GET', '/docs/', undefined, 308],
  ['a sign of life', 'HEAD', '/', undefined, 200],
  ['a path nobody knows', 'GET', '/nowhere', undefined, 404],
])('%s leaves one line', async (_name, method, path, body, status) => {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
  const init = { method, ...(body && { body: JSON.stringify(body) }) }
  const reply = await fetch(gateway.url + path, { ...init, redirect: 'manual' })
  await reply.text()
  // What comes after it has its line after it.
  await (await fetch(`${gateway.url}/healthz`)).text()
  await until(() => gateway.lines.some((line) => line.startsWith('GET /healthz ')), 'the line of the page')
  const lines = gateway.lines.filter((line) => !line.startsWith('GET /healthz '))
  expect(lines).toEqual([expect.stringMatching(new RegExp(`^${method} ${path} .*"status":${status}[,}]`))])
  await gateway.stop()
})
