import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { budgetOf, type Cluster, type ClusterNode, newKey, send, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { nginxMissing } from '../support/nginx.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

// What clients do on one gateway with batches that another one works on.

const missing = noPostgres ?? nginxMissing

describe.skipIf(missing !== '')(`batches of another gateway${missing === '' ? '' : `: ${missing}`}`, () => {
  let server: Postgres
  let cluster: Cluster
  beforeAll(async () => {
    server = await startPostgres()
    cluster = await startCluster(await server.newDatabase(), 2)
  }, 60_000)
  afterAll(async () => {
    await cluster?.stop()
    server?.stop()
  })

  const node = (index: number) => cluster.nodes[index] as ClusterNode
  const path = '/v1/messages/batches'
  const begin = async (index: number, key: string, content: string) => {
    const params = { model: 'GLM-4.6', max_tokens: 4_000, messages: [{ role: 'user', content }] }
    const requests = ['one', 'two'].map((name) => ({ custom_id: name, params }))
    const made = await send(node(index).url, path, key, { requests })
    expect(made.json()).toMatchObject({ processing_status: 'in_progress' })
    return `${made.json().id}`
  }

  test('end on the gateway that works on them within two seconds of being cancelled, and are settled once', async () => {
    const key = await newKey(cluster, 'batches', { budget: 'tokens:1000000/day' })
    const id = await begin(0, key, '[slow] [long:2000] Hello')
    await eventually(async () => expect((await budgetOf(node(1).url, key)).reserved).toBeGreaterThan(0))
    const cancelled = await send(node(1).url, `${path}/${id}/cancel`, key, {})
    expect(cancelled.json()).toMatchObject({ id, processing_status: 'canceling' })
    await eventually(async () => {
      expect((await send(node(1).url, `${path}/${id}`, key)).json()).toMatchObject({
        ...{ processing_status: 'ended', request_counts: { canceled: 2, succeeded: 0 } },
      })
      expect(await budgetOf(node(1).url, key)).toMatchObject({ reserved: 0 })
    }, 2_000)
  }, 60_000)

  test('are read and deleted on any gateway', async () => {
    const key = await newKey(cluster, 'results')
    const id = await begin(0, key, '[fast] Hello')
    await eventually(async () =>
      expect((await send(node(1).url, `${path}/${id}`, key)).json()).toMatchObject({ processing_status: 'ended' }),
    )
    const results = await send(node(1).url, `${path}/${id}/results`, key)
    expect(results.text.match(/"succeeded"/g)).toHaveLength(2)
    const headers = { authorization: `Bearer ${key}` }
    expect((await fetch(`${node(1).url}${path}/${id}`, { method: 'DELETE', headers })).status).toBe(200)
    expect((await send(node(0).url, `${path}/${id}`, key)).status).toBe(404)
  }, 60_000)
})
