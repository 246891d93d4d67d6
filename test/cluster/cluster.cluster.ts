import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  budgetOf,
  busyUpstream,
  type ClusterNode,
  chat,
  newKey as newKeyOn,
  operatorKey,
  send,
  startCluster,
  statusesOf,
} from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { nginxMissing, startNginxWith } from '../support/nginx.ts'
import { freePort } from '../support/ports.ts'
import { noPostgres } from '../support/postgres.ts'
import { useCluster } from '../support/use-cluster.ts'

// What deploy/docker-compose.cluster.yml starts, without an engine: three gateways, nginx and PostgreSQL.

const missing = noPostgres ?? nginxMissing

describe.skipIf(missing !== '')(`a cluster${missing === '' ? '' : `: ${missing}`}`, () => {
  const used = useCluster(3)

  const node = (index: number) => used.cluster.nodes[index] as ClusterNode
  const newKey = (name: string, more?: object) => newKeyOn(used.cluster, name, more)

  /** As the SDKs of OpenAI and Anthropic do: up to twice more, with pauses that grow. */
  const retried = async (call: () => ReturnType<typeof send>) => {
    for (let attempt = 0; ; attempt++) {
      const { status, text } = await call()
      if (status < 500 || attempt === 2) return { status, text }
      await Bun.sleep(500 * 2 ** attempt)
    }
  }

  test('knows on every gateway what was made or answered on another', async () => {
    const key = await newKey('shared')
    await eventually(async () => {
      for (const { url } of used.cluster.nodes) expect((await send(url, '/v1/models', key)).status).toBe(200)
    })
    const ask = (url: string, input: string, more: object = {}) =>
      send(url, '/v1/responses', key, { model: 'GLM-4.6', input, ...more })
    const first = (await ask(node(0).url, '[fast] [echo] one')).json()
    const second = await ask(node(1).url, '[fast] [echo] two', { previous_response_id: first.id })
    expect(second.status).toBe(200)
    expect((await send(node(2).url, `/v1/responses/${second.json().id}`, key)).status).toBe(200)
    const change = fetch(`${node(2).url}/admin/api/keys/shared`, {
      ...{ method: 'PATCH', body: JSON.stringify({ disabled: true }) },
      headers: { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' },
    })
    expect((await change).status).toBe(200)
    const since = performance.now()
    await eventually(async () => {
      for (const { url } of used.cluster.nodes) expect((await send(url, '/v1/models', key)).status).toBe(401)
    })
    expect(performance.now() - since).toBeLessThan(2_000)
  }, 60_000)

  test.each(['README.md', 'README.zh-CN.md'])(
    'answers behind the nginx of %s',
    async (file) => {
      const [, block = ''] = /^```nginx\n([\s\S]*?)^```/m.exec(readFileSync(file, 'utf8')) ?? []
      const listen = await freePort()
      const configuration = block
        .replace('listen 8080;', `listen 127.0.0.1:${listen};`)
        .replace('127.0.0.1:8081', `127.0.0.1:${node(0).port}`)
        .replace('127.0.0.1:8082', `127.0.0.1:${node(1).port}`)
      const nginx = await startNginxWith(configuration, [listen])
      try {
        const calls = Array.from({ length: 8 }, () => chat(`http://127.0.0.1:${listen}`, operatorKey))
        expect(await statusesOf(calls)).toEqual({ 200: 8 })
      } finally {
        await nginx.stop()
      }
    },
    60_000,
  )

  test.each([2, 4])(
    'keeps a budget to the token under 400 calls at once: %d gateways',
    async (count) => {
      const url = await used.server.newDatabase()
      // On a machine so busy that the database counts as away, nobody goes on without it.
      const several = await startCluster(url, count, { BUDGET_STRICT: 'true' })
      try {
        const key = await newKeyOn(several, 'budget', { budget: 'tokens:2000/day' })
        const at = (index: number) => several.nodes[index % count]?.url ?? ''
        const statuses = await statusesOf(Array.from({ length: 400 }, (_, index) => chat(at(index), key)))
        // What is left may be reserved by others (429), or spent (402).
        const refused = [402, 429, 503].reduce((sum, status) => sum + (statuses[status] ?? 0), 0)
        expect((statuses[200] ?? 0) + refused).toBe(400)
        expect(statuses[200]).toBeGreaterThan(10)
        await using sql = new Bun.SQL(url)
        await eventually(async () => {
          const { spent, reserved } = await budgetOf(several.url, key)
          expect(spent).toBeLessThanOrEqual(2_000)
          const [row] =
            await sql`SELECT sum(tokens_in + tokens_out) AS used, sum(requests - errors) AS answered FROM usage
          WHERE key = (SELECT id FROM keys WHERE name = 'budget')`
          expect([reserved, Number(row.used), Number(row.answered)]).toEqual([0, spent, statuses[200]])
        })
      } finally {
        await several.stop()
      }
    },
    90_000,
  )

  test('grants no more requests of a minute together than one gateway would', async () => {
    const key = await newKey('rates', { rpm: 60, parallel: 20 })
    const started = performance.now()
    const statuses = await statusesOf(Array.from({ length: 120 }, (_, at) => chat(node(at % 3).url, key)))
    const seconds = Math.ceil((performance.now() - started) / 1_000)
    expect((statuses[200] ?? 0) + (statuses[429] ?? 0)).toBe(120)
    expect(statuses[200]).toBeWithin(20, 61 + seconds)
  }, 60_000)

  test('goes on where a gateway is killed, and settles what that had reserved', async () => {
    const key = await newKey('crash', { budget: 'tokens:1000000/day' })
    await eventually(async () => expect((await chat(node(1).url, key)).status).toBe(200))
    const slow = chat(node(1).url, key, '[slow] Hello').catch(() => undefined)
    await eventually(async () => expect((await budgetOf(node(0).url, key)).reserved).toBeGreaterThan(0))
    let isOver = false
    const failed: number[] = []
    const clients = Array.from({ length: 6 }, async () => {
      while (!isOver) {
        const { status } = await chat(used.cluster.url, key)
        if (status !== 200) failed.push(status)
      }
    })
    node(1).child.kill('SIGKILL')
    await node(1).child.exited
    await slow
    expect(await statusesOf(Array.from({ length: 60 }, () => chat(used.cluster.url, key)))).toEqual({ 200: 60 })
    isOver = true
    await Promise.all(clients)
    // Those that the gateway was answering.
    expect(failed.length).toBeLessThanOrEqual(6)
    await using sql = new Bun.SQL(used.database)
    await sql`UPDATE reservations SET expires = 0`
    await used.cluster.restart(1)
    await eventually(async () => expect((await budgetOf(used.cluster.url, key)).reserved).toBe(0))
  }, 60_000)

  test('is restarted gateway by gateway, and clients that try again as SDKs do see no failure', async () => {
    const key = await newKey('rolling')
    await eventually(async () => {
      for (const { url } of used.cluster.nodes) expect((await chat(url, key)).status).toBe(200)
    })
    let answered = 0
    const failures: { status: number; text: string }[] = []
    let isOver = false
    const clients = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const { status, text } = await retried(() => chat(used.cluster.url, key))
          if (status === 200) answered++
          else failures.push({ status, text })
        }
      }),
    )
    for (const index of used.cluster.nodes.keys()) {
      node(index).child.kill('SIGTERM')
      await used.cluster.restart(index)
    }
    isOver = true
    await clients
    expect(failures).toEqual([])
    expect(answered).toBeGreaterThan(10)
  }, 90_000)

  test('asks no more of an upstream key than one gateway would', async () => {
    const most = 3
    const { seen, settings, stop } = busyUpstream(most)
    const sharing = await startCluster(await used.server.newDatabase(), 3, settings)
    try {
      const calls = (count: number) =>
        statusesOf(Array.from({ length: count }, (_, at) => chat(sharing.nodes[at % 3]?.url ?? '', operatorKey)))
      expect(await calls(18)).toEqual({ 200: 18 })
      // What they have learned from refusals holds for all three.
      const learned = seen.refused
      seen.most = 0
      expect(await calls(36)).toEqual({ 200: 36 })
      expect(learned).toBeGreaterThan(0)
      expect(seen.refused).toBe(learned)
      // Refusals that come close together may teach less than the upstream allows.
      expect(seen.most).toBeGreaterThan(0)
      expect(seen.most).toBeLessThanOrEqual(most)
    } finally {
      await sharing.stop()
      stop()
    }
  }, 90_000)

  test('counts what a gateway has answered without the database, and was killed before that came back', async () => {
    const key = await newKey('journal', { budget: 'tokens:100000/day' })
    const { url } = node(0)
    await eventually(async () => expect((await chat(url, key)).status).toBe(200))
    await eventually(async () => expect(await budgetOf(url, key)).toMatchObject({ reserved: 0 }))
    const { spent } = await budgetOf(url, key)
    await using sql = new Bun.SQL(used.database)
    const tokens = async () => {
      const [row] = await sql`SELECT sum(tokens_in + tokens_out) AS used FROM usage
        WHERE key = (SELECT id FROM keys WHERE name = 'journal')`
      return Number(row.used)
    }
    await eventually(async () => expect(await tokens()).toBe(spent))
    // Keys wait for the disk, and with them what came before.
    await newKey('before the crash')
    used.server.halt()
    await eventually(async () => expect((await send(url, '/readyz', key)).json()).toMatchObject({ database: 'away' }))
    expect(await statusesOf(Array.from({ length: 5 }, () => chat(url, key)))).toEqual({ 200: 5 })
    const journal = join(node(0).home, '.local/state/zai2api/journal.sqlite')
    await eventually(() => {
      const file = new Database(journal, { readonly: true })
      const count = (table: string) => file.query<{ n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n
      expect([count('costs'), count('requests')]).toEqual([5, 5])
      file.close()
    })
    node(0).child.kill('SIGKILL')
    await node(0).child.exited
    expect(statSync(journal).mode & 0o777).toBe(0o600)
    used.server.start()
    for (let start = 0; start < 2; start++) {
      await used.cluster.restart(0)
      await eventually(async () =>
        expect(await budgetOf(node(0).url, key)).toMatchObject({ spent: 6 * spent, reserved: 0 }),
      )
      node(0).child.kill('SIGKILL')
    }
    await used.cluster.restart(0)
    await eventually(async () =>
      expect(await sql`SELECT id FROM settlements WHERE NOT starts_with(id, 'log ')`).toHaveLength(5),
    )
    await eventually(async () => expect(await tokens()).toBe(6 * spent))
  }, 90_000)

  test('answers while the database is away, says so, and counts it once that is back', async () => {
    const key = await newKey('outage', { budget: 'tokens:100m/day' })
    await eventually(async () => {
      for (const { url } of used.cluster.nodes) expect((await chat(url, key)).status).toBe(200)
    })
    await eventually(async () => expect((await budgetOf(used.cluster.url, key)).reserved).toBe(0))
    const { spent } = await budgetOf(used.cluster.url, key)
    // Keys wait for the disk, and with them what came before: a crash may lose the rest of the last second.
    await newKey('last')
    used.server.halt()
    await eventually(async () => {
      for (const { url } of used.cluster.nodes)
        expect((await send(url, '/readyz', key)).json()).toMatchObject({ status: 'degraded', database: 'away' })
    })
    const started = performance.now()
    expect(await statusesOf(used.cluster.nodes.map(({ url }) => chat(url, key)))).toEqual({ 200: 3 })
    expect(performance.now() - started).toBeLessThan(5_000)
    // It is stopped for 20 s, and calls go on.
    let answered = used.cluster.nodes.length
    while (performance.now() - started < 20_000) {
      expect((await chat(used.cluster.url, key)).status).toBe(200)
      answered++
      await Bun.sleep(20)
    }
    expect((await chat(used.cluster.url, 'z2a_nobody-knows-this-one')).status).toBe(503)
    used.server.start()
    await eventually(async () => {
      for (const { url } of used.cluster.nodes) expect((await send(url, '/readyz', key)).json().status).toBe('ready')
      expect(await budgetOf(used.cluster.url, key)).toMatchObject({
        spent: spent + (answered * spent) / used.cluster.nodes.length,
        reserved: 0,
      })
    }, 30_000)
    for (const { log } of used.cluster.nodes) {
      const away = log().match(/cannot be reached; what has to be stored waits/g)?.length ?? 0
      // Once for each change; a machine that is busy may see a second one.
      expect(away).toBeWithin(1, 4)
      expect(log().match(/can be reached again/g)?.length).toBeWithin(away - 1, away + 1)
    }
  }, 90_000)
})
