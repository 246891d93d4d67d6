import { expect, test } from 'bun:test'
import { compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'

const configOf = (env: Record<string, string>) =>
  loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds).config

test('with STORE=database a reply is kept in the database, and can be continued', async () => {
  const config = configOf({ UPSTREAMS: 'demo', DATABASE_URL: 'memory', STORE: 'database', LOG_LEVEL: 'off' })
  const kept = { folder: undefined }
  const gateway = await compose(config, 'test', { write() {} }, { kept })
  const ask = async (path: string, body?: object) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    return await (await gateway.app.handle(new Request(`http://localhost${path}`, init))).json()
  }
  const { id } = await ask('/v1/responses', { model: 'glm-4.6', input: 'Hello' })
  expect(await ask(`/v1/responses/${id}`)).toMatchObject({ id, status: 'completed' })
  expect(await ask('/v1/responses', { model: 'glm-4.6', input: 'And?', previous_response_id: id })).toMatchObject({
    previous_response_id: id,
  })
  const { database } = gateway
  expect(database && (await database`SELECT id FROM replies WHERE id = ${id}`)).toEqual([{ id }])
  await gateway.close()
})

test('a gateway without a database keeps replies in memory instead', async () => {
  const gateway = await compose(configOf({ UPSTREAMS: 'demo', STORE: 'database', LOG_LEVEL: 'off' }), 'test', {
    write() {},
  })
  const body = JSON.stringify({ model: 'glm-4.6', input: 'Hello' })
  const made = await gateway.app.handle(new Request('http://localhost/v1/responses', { method: 'POST', body }))
  const { id } = await made.json()
  expect((await gateway.app.handle(new Request(`http://localhost/v1/responses/${id}`))).status).toBe(200)
  await gateway.close()
})
