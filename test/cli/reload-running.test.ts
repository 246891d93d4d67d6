import { afterEach, expect, test } from 'bun:test'
import { compose } from '../../src/compose.ts'
import type { Config } from '../../src/config/load.ts'
import { chatRoute, scriptedApi } from '../support/zai-api.ts'
import { cleanUp, cleanups, heldAnswer, loadedFrom, post } from './reloading.ts'

afterEach(cleanUp)

function configOf(env: Record<string, string>): Config {
  return loadedFrom(env).config
}

test('a running stream goes on under the old key, and the next request goes under the new one', async () => {
  const api = scriptedApi(['old-key', 'new-key'])
  const env = { ZAI_API_KEY: 'old-key', AUTH_TOKEN: 'one', LOG_LEVEL: 'off', METRICS: 'false' }
  const { app, apply, close } = await compose(configOf(env), 'test', { write() {} }, { fetch: api.fetch })
  cleanups.push(close)
  const go = Promise.withResolvers<void>()
  api.script(chatRoute, () => heldAnswer(go.promise))
  const call = (key: string, body: object = {}) =>
    app.handle(
      new Request('http://localhost/v1/chat/completions', {
        ...post(body),
        headers: { authorization: `Bearer ${key}` },
      }),
    )

  const running = await call('one', { stream: true })
  apply(configOf({ ...env, ZAI_API_KEY: 'new-key', AUTH_TOKEN: 'two', MODEL_MAP: 'mine=glm-4.6' }))
  expect((await call('one')).status).toBe(401)
  expect((await call('two', { model: 'mine' })).status).toBe(200)
  go.resolve()
  expect(await running.text()).toContain(' last.')
  expect(api.to(chatRoute).map(({ key, body }) => [key, Reflect.get(Object(body), 'model')])).toEqual([
    ['old-key', 'glm-4.7'],
    ['new-key', 'glm-4.6'],
  ])
})

test('rows about models hold from the next request on', async () => {
  const env = { UPSTREAMS: 'demo', LOG_LEVEL: 'off' }
  const { app, apply, close } = await compose(configOf(env), 'test', { write() {} })
  cleanups.push(close)
  const window = async (name: string) => {
    const response = await app.handle(new Request(`http://localhost/v1/models/${name}`))
    const body: unknown = await response.json()
    return [response.status, Reflect.get(Object(body), 'context_length')]
  }
  expect(await window('glm-5.3')).toEqual([200, 1_048_576])
  expect(await window('glm-5.5')).toEqual([404, undefined])
  const rows = [
    { id: 'glm-5.3', context_tokens: 5 },
    { id: 'glm-5.5', context_tokens: 6 },
  ]
  apply(configOf({ ...env, ZAI_MODELS: JSON.stringify(rows) }))
  expect(await window('glm-5.3')).toEqual([200, 5])
  expect(await window('glm-5.5')).toEqual([200, 6])
})
