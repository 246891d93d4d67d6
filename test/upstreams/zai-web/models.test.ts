import { expect, test } from 'bun:test'
import { modelTable } from '../../../src/models/table.ts'
import { catalogue } from '../../../src/upstreams/zai-web/models.ts'
import { json, webModel } from '../../support/chat-zai.ts'
import recorded from './models.json'
import { pool, settle } from './support.ts'

const route = 'GET /api/models'

function setUp() {
  const base = pool()
  return { ...base, models: catalogue({ ...base, accounts: base.open(), table: modelTable(), modelsTtlMs: 600_000 }) }
}

test('the live list is offered under public names, without inactive models', async () => {
  const { zai, models } = setUp()
  zai.script(route, json(recorded))
  const list = await models.list()
  expect(list.map(({ id, upstreamId }) => [id, upstreamId])).toEqual([
    ['GLM-5.3-Flash', 'x-preview-l'],
    ['GLM-5.3', 'glm-5.3'],
    ['GLM-5.2', 'glm-5.2'],
    ['GLM-5V-Turbo', 'GLM-5v-Turbo'],
    ['GLM-4.7', 'glm-4.7'],
    ['GLM-4.6V', 'glm-4.6v'],
    ['GLM-4.6', 'GLM-4-6-API-V1'],
    ['GLM-4.5', '0727-360B-API'],
    ['GLM-4.5-Air', '0727-106B-API'],
  ])
  expect(list.find(({ id }) => id === 'GLM-5.3')).toEqual({
    id: 'GLM-5.3',
    upstreamId: 'glm-5.3',
    createdAtSeconds: 1_760_000_000,
    vision: false,
    video: false,
    files: false,
    reasoning: 'by-default',
    search: true,
    contextTokens: 1_048_576,
    maxOutputTokens: 64_064,
    defaultTemperature: 1,
    reasoningEffort: true,
    searchServer: 'advanced-search',
  })
  expect(list.find(({ id }) => id === 'GLM-4.6V')).toMatchObject({
    vision: true,
    reasoning: 'on-request',
    contextTokens: 128_000,
  })
})

test('an unknown model is offered as the site describes it', async () => {
  const { zai, models } = setUp()
  zai.script(route, json({ data: [webModel('zz-1', 'New Thing 1', { think: false }), { not: 'a model' }] }))
  const list = await models.list()
  expect(list[0]).toMatchObject({ id: 'New-Thing-1', upstreamId: 'zz-1', reasoning: 'never' })
  expect(list.map(({ id }) => id)).toEqual(['New-Thing-1', 'GLM-4.5', 'GLM-4.5-Air'])
})

test('concurrent calls share one request for the list, every ten minutes', async () => {
  const { zai, clock, models } = setUp()
  await Promise.all([models.list(), models.list()])
  clock.advance(599_999)
  await models.list()
  expect(zai.to(route)).toHaveLength(1)
  expect(zai.to(route)[0]?.token).toBeDefined()
  clock.advance(1)
  await models.list()
  expect(zai.to(route)).toHaveLength(2)
})

test.each([
  ['an error', json({ detail: 'no' }, 500)],
  ['something that is no list', json({ data: 'none' })],
  ['something that is no JSON', new Response('<html>')],
  ['an empty list', json({ data: [] })],
])('the table is offered when the site answers with %s, and asked again a minute later', async (_name, reply) => {
  const { zai, clock, logged, models } = setUp()
  zai.script(route, reply)
  expect((await models.list()).map(({ id }) => id)).toContain('GLM-5.1')
  expect(logged).toHaveLength(1)
  clock.advance(60_000)
  expect((await models.list()).map(({ id }) => id)).not.toContain('GLM-5.1')
})

test('after a timeout the list is requested in the background, and used once it arrives', async () => {
  const { zai, clock, models } = setUp()
  const late = Promise.withResolvers<Response>()
  zai.script(
    route,
    () => new Promise<Response>(() => {}),
    () => late.promise,
  )
  const first = models.list()
  await settle()
  clock.advance(5_000)
  await first
  clock.advance(60_000)
  expect((await models.list()).map(({ id }) => id)).toContain('GLM-5.1')
  late.resolve(json({ data: [{ id: 'glm-9', name: 'GLM-9' }] }))
  await settle()
  expect((await models.list()).map(({ id }) => id)).not.toContain('GLM-5.1')
  expect(zai.to(route)).toHaveLength(2)
})

test('a request for the list ends after five seconds', async () => {
  const { zai, clock, models } = setUp()
  zai.script(route, () => new Promise<Response>(() => {}))
  const list = models.list()
  await settle()
  clock.advance(5_000)
  expect((await list).map(({ id }) => id)).toContain('GLM-4.5')
})

test('a model that is not in the list can still be requested', async () => {
  const { models } = setUp()
  const model = {
    id: 'X',
    upstreamId: 'x',
    createdAtSeconds: 0,
    vision: false,
    reasoning: 'never',
    search: false,
  } as const
  expect(models.traitsOf(model)).toMatchObject({ upstreamId: 'x', reasoningEffort: false })
})
