import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  busyUpstream,
  type Cluster,
  type ClusterNode,
  chat,
  operatorKey,
  send,
  startCluster,
} from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { nginxMissing } from '../support/nginx.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

// The operator's page behind a load balancer that sends each request to another gateway.

const missing = noPostgres ?? nginxMissing

describe.skipIf(missing !== '')(`the operator of a cluster${missing === '' ? '' : `: ${missing}`}`, () => {
  let server: Postgres
  let cluster: Cluster
  const upstream = busyUpstream(10)
  beforeAll(async () => {
    server = await startPostgres()
    cluster = await startCluster(await server.newDatabase(), 2, upstream.settings)
  }, 60_000)
  afterAll(async () => {
    await cluster?.stop()
    upstream.stop()
    server?.stop()
  })

  const node = (index: number) => cluster.nodes[index] as ClusterNode
  const { host } = new URL('http://page.example:8080')
  /** What a browser sends whose page is open at this host, whatever gateway the request goes to. */
  const ask = (url: string, path: string, { cookie = '', method = 'GET', body }: Asked = {}) =>
    fetch(`${url}/admin/api${path}`, {
      ...{ method, ...(body ? { body: JSON.stringify(body) } : {}) },
      headers: { host, origin: `http://${host}`, cookie, ...(body ? { 'content-type': 'application/json' } : {}) },
    })
  interface Asked {
    cookie?: string
    method?: string
    body?: object
  }
  const signIn = async (url: string) => {
    const response = await ask(url, '/session', { method: 'POST', body: { token: operatorKey } })
    expect(response.status).toBe(204)
    return response.headers.get('set-cookie')?.split(';')[0] ?? ''
  }

  test('signs in once for all gateways, and out of all', async () => {
    const cookie = await signIn(cluster.url)
    const statuses = new Set<number>()
    for (let times = 0; times < 12; times++) statuses.add((await ask(cluster.url, '/session', { cookie })).status)
    expect([...statuses]).toEqual([200])
    const events = await ask(node(1).url, '/events', { cookie })
    const ended = events.text()
    expect((await ask(node(0).url, '/session', { cookie, method: 'DELETE' })).status).toBe(204)
    const since = performance.now()
    expect((await ask(node(0).url, '/session', { cookie })).status).toBe(401)
    await eventually(async () => expect((await ask(node(1).url, '/session', { cookie })).status).toBe(401))
    expect(performance.now() - since).toBeLessThan(2_000)
    await ended
    expect(performance.now() - since).toBeLessThan(4_000)
    // The secret of the session is nowhere but in the browser.
    const [, secret = ''] = cookie.split('=')
    expect(secret).toHaveLength(43)
    for (const { log } of cluster.nodes) expect(log()).not.toContain(secret)
  }, 60_000)

  test('stays signed in where a gateway is restarted', async () => {
    const cookie = await signIn(node(0).url)
    node(0).child.kill('SIGTERM')
    await cluster.restart(0)
    expect((await ask(node(0).url, '/session', { cookie })).status).toBe(200)
  }, 60_000)

  test('pauses a credential on all gateways, also on one that starts later', async () => {
    const states = async (url: string) => {
      const { upstreams } = (await send(url, '/admin/api/upstreams', operatorKey)).json()
      return upstreams[0].credentials[0]
    }
    const { id } = await states(node(0).url)
    const act = (index: number, action: string) =>
      send(node(index).url, `/admin/api/upstreams/zai-api/credentials/${id}/${action}`, operatorKey, {})
    expect((await act(0, 'pause')).status).toBe(200)
    const since = performance.now()
    await eventually(async () => expect((await states(node(1).url)).paused).toBe(true))
    expect(performance.now() - since).toBeLessThan(2_000)
    expect((await chat(node(1).url, operatorKey)).json()).toMatchObject({ error: { code: 'upstream_paused' } })
    node(1).child.kill('SIGTERM')
    await cluster.restart(1)
    expect((await chat(node(1).url, operatorKey)).json()).toMatchObject({ error: { code: 'upstream_paused' } })
    expect((await act(1, 'resume')).status).toBe(200)
    await eventually(async () => expect((await chat(node(0).url, operatorKey)).status).toBe(200))
  }, 60_000)
})
