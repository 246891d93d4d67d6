import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { ServerState } from '../../src/database/sql.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { eventually } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { silentWire } from '../support/silent-wire.ts'
import { clockOfLongTimers } from './long-timers.ts'

const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)

describe.skipIf(noPostgres !== undefined)('a server that is read-only', () => {
  let server: Postgres
  let admin: Bun.SQL
  let url = ''
  const closing: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    server = await startPostgres()
    url = await server.newDatabase()
    admin = new Bun.SQL({ url, max: 1 })
  }, 60_000)
  afterEach(async () => {
    await readOnly('off')
    for (const close of closing.splice(0)) await close()
  })
  afterAll(async () => {
    await admin?.close()
    server?.stop()
  })

  const readOnly = async (setting: 'on' | 'off') => {
    await admin.unsafe(`ALTER SYSTEM SET default_transaction_read_only = ${setting}`)
    await admin.unsafe('SELECT pg_reload_conf()')
  }

  async function open(at = url, clock = systemClock) {
    const told: [ServerState, string][] = []
    const onChange = (state: ServerState, cause: unknown) => {
      const { message = '' } = Object(Object(cause).cause)
      told.push([state, message])
    }
    const limits = { statementMs: 30_000, graceMs: 1_000 }
    const sql = await openPostgres({ url: at, clock, limits, onChange })
    closing.push(() => sql.close())
    return { sql, told }
  }

  test('is told of once, is still read, and is written again when it can be', async () => {
    const { sql, told } = await open()
    await readOnly('on')
    const write = () => sql`INSERT INTO gateways (node, expires) VALUES (${crypto.randomUUID()}, 1)`
    await eventually(async () => {
      expect(await failure(write())).toMatchObject({ problem: 'away' })
      expect(sql.state()).toBe('read-only')
    })
    // Probes go on, and change nothing.
    for (let count = 0; count < 20; count++) {
      expect(await failure(write())).toMatchObject({ problem: 'away' })
      expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    }
    expect(sql.isAway()).toBe(true)
    await readOnly('off')
    await until(() => sql.state() === 'usable', 'the server to be written again')
    await write()
    expect(told).toEqual([
      ['read-only', expect.stringContaining('read-only')],
      ['usable', ''],
    ])
  }, 60_000)

  test('is noticed also where nothing is written', async () => {
    const { clock, pass } = clockOfLongTimers()
    const { sql, told } = await open(url, clock)
    await readOnly('on')
    await eventually(() => {
      pass(20_000)
      expect(sql.state()).toBe('read-only')
    })
    await readOnly('off')
    await until(() => sql.state() === 'usable', 'the server to be written again')
    expect(told.map(([state]) => state)).toEqual(['read-only', 'usable'])
  }, 60_000)

  test('as a standby counts as away, until it is promoted', async () => {
    const standby = await server.standby()
    const wire = silentWire(server.port)
    try {
      const { sql, told } = await open(url.replace(String(server.port), String(wire.port)))
      wire.redirect(standby.port)
      wire.cut()
      await eventually(async () => {
        expect(await failure(sql`SELECT 1 AS one`)).toMatchObject({ problem: 'away' })
        expect(sql.state()).toBe('away')
      })
      standby.promote()
      await until(() => sql.state() === 'usable', 'the standby to be used')
      expect(told).toEqual([
        ['away', 'the server is a standby that is not promoted'],
        ['usable', ''],
      ])
      await sql`INSERT INTO gateways (node, expires) VALUES ('b', 1)`
    } finally {
      for (const close of closing.splice(0)) await close()
      wire.stop()
      standby.stop()
    }
  }, 60_000)

  test('lets a gateway go on: it answers, finds what is stored, and stores the rest later', async () => {
    const { gateway, ask, log } = await startGateway()
    const { database } = gateway
    if (database === undefined) throw new Error('there is no database')
    const { secret } = (await ask('/admin/api/keys', operator, { name: 'a', budget: 'tokens:100m/day' })).body
    const respond = (more: object = {}) => ask('/v1/responses', secret, { model: 'glm-4.6', input: 'Hello', ...more })
    const { id } = await eventually(async () => {
      const { status, body } = await respond()
      expect(status).toBe(200)
      return body
    })
    const spent = async () => (await ask('/v1/key', secret)).body.budgets[0]
    const { spent: before } = await eventually(async () => {
      const budget = await spent()
      expect(budget.reserved).toBe(0)
      expect(budget.spent).toBeGreaterThan(0)
      return budget
    })
    await readOnly('on')
    await eventually(async () => {
      await failure(database`INSERT INTO gateways (node, expires) VALUES ('c', 1)`)
      expect((await ask('/readyz', operator)).body).toMatchObject({
        ...{ status: 'degraded', database: 'read-only' },
        reason: 'The database is read-only. Requests go on, and what has to be stored waits.',
      })
    })
    // What is stored is found, and the reply goes out.
    await eventually(async () => expect((await respond({ previous_response_id: id })).status).toBe(200))
    expect((await ask('/v1/conversations', secret, {})).status).toBe(503)
    expect(log()).toContain('is read-only; what has to be stored waits until it can be written')
    await readOnly('off')
    await until(() => database.state() === 'usable', 'the server to be written again')
    expect((await ask('/readyz', operator)).body).toEqual({ status: 'ready' })
    await eventually(async () => expect((await spent()).spent).toBeGreaterThan(before))
    expect(log()).toContain('can be reached again, and written')
  }, 60_000)

  const operator = 'sk-operator-of-this-test'

  async function startGateway() {
    const env = { UPSTREAMS: 'demo', DATABASE_URL: url, STORE: 'database', AUTH_TOKEN: operator, METRICS: 'false' }
    const { config } = loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
    const lines: string[] = []
    const write = (line: () => string) => void lines.push(line())
    const gateway = await compose(config, 'test', { write }, { kept: { folder: undefined } })
    closing.push(() => gateway.close())
    const ask = async (path: string, key: string, body?: object) => {
      const response = await gateway.app.handle(
        new Request(`http://localhost:8080${path}`, {
          headers: { host: 'localhost:8080', authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
        }),
      )
      return { status: response.status, body: await response.json() }
    }
    return { gateway, ask, log: () => lines.join('\n') }
  }
})
