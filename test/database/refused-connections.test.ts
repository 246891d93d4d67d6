import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database, ServerState } from '../../src/database/sql.ts'
import { eventually } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { silentWire } from '../support/silent-wire.ts'
import { clockOfLongTimers } from './long-timers.ts'

const size = 3
const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)

describe.skipIf(noPostgres !== undefined)('a server that takes no new connections', () => {
  let server: Postgres
  let admin: Bun.SQL
  let url = ''
  const opened: Database[] = []
  beforeAll(async () => {
    server = await startPostgres()
    url = await server.newDatabase()
    admin = new Bun.SQL({ url, max: 1 })
    // The limit of a role does not hold for superusers.
    await admin.unsafe('CREATE ROLE few LOGIN; GRANT ALL ON SCHEMA public TO few')
  }, 60_000)
  afterEach(async () => {
    await admin.unsafe('ALTER ROLE few CONNECTION LIMIT -1')
    await Promise.all(opened.splice(0).map((sql) => sql.close()))
  })
  afterAll(async () => {
    await admin?.close()
    server?.stop()
  })

  const refuse = async () => void (await admin.unsafe('ALTER ROLE few CONNECTION LIMIT 0'))
  const take = async () => void (await admin.unsafe('ALTER ROLE few CONNECTION LIMIT -1'))

  /** How many connections the server has refused. */
  const refusals = () =>
    readFileSync(join(server.data, '..', 'log'), 'utf8').split('too many connections for role').length - 1

  /** A database whose connections for requests are all open, and what was told of it. */
  async function open(statementMs: number, { clock = systemClock as Clock, port = server.port } = {}) {
    const told: ServerState[] = []
    const sql = await openPostgres({
      url: `${url.replace('zai2api@', 'few@').replace(String(server.port), String(port))}?pool_max_conns=${size}`,
      ...{ clock, limits: { statementMs, graceMs: 100 } },
      onChange: (state) => void told.push(state),
    })
    opened.push(sql)
    /** The processes of the server that answer. */
    const pids = async () => {
      const rows = await Promise.all(Array.from({ length: size * 2 }, () => sql`SELECT pg_backend_pid() AS pid`))
      return [...new Set(rows.map(([row]) => Number(row?.pid)))].toSorted()
    }
    const first = await eventually(async () => {
      const found = await pids()
      expect(found).toHaveLength(size)
      return found
    })
    return { sql, told, pids, first }
  }

  test('is used on the old ones when they would be replaced for their age, until it takes new ones', async () => {
    const { clock, pass } = clockOfLongTimers()
    const { sql, told, pids, first } = await open(30_000, { clock })
    await refuse()
    const before = refusals()
    pass(30 * 60_000)
    await until(() => refusals() > before + 2, 'new connections to be refused')
    expect({ told, state: sql.state(), pids: await pids() }).toEqual({ told: [], state: 'usable', pids: first })
    await take()
    await eventually(async () => expect((await pids()).some((pid) => first.includes(pid))).toBe(false))
    expect(told).toEqual([])
  }, 60_000)

  test('is used on those that are left when one is lost', async () => {
    const { sql, told, pids, first } = await open(30_000)
    await refuse()
    await admin.unsafe(`SELECT pg_terminate_backend(${first[0]})`)
    await eventually(async () => expect(await pids()).toEqual(first.slice(1)))
    expect({ told, state: sql.state() }).toEqual({ told: [], state: 'usable' })
  }, 60_000)

  test('is away when all are lost, and is used when it takes new ones', async () => {
    const { sql, told, pids, first } = await open(30_000)
    await refuse()
    await admin.unsafe(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'`)
    await eventually(async () => {
      await failure(sql`SELECT 1 AS one`)
      expect(told).toEqual(['away'])
    })
    await take()
    await until(() => sql.state() === 'usable', 'the server to be used again')
    expect((await pids()).some((pid) => first.includes(pid))).toBe(false)
    expect(told).toEqual(['away', 'usable'])
  }, 60_000)

  test('is used on the old ones after it was silent for longer than a statement may take', async () => {
    const { sql, told, pids, first } = await open(400)
    await refuse()
    // A machine that is too busy to end the statement in time.
    const asked = failure(
      sql.transaction(async (inside) => {
        await inside`SELECT set_config('statement_timeout', '0', true)`
        await inside`SELECT pg_sleep(1)`
      }),
    )
    expect(await asked).toMatchObject({ problem: 'late' })
    await until(() => sql.state() === 'usable', 'the server to be used again')
    // The one of the statement, too, once that is over.
    await eventually(async () => expect(await pids()).toEqual(first))
    expect(told).toEqual(['away', 'usable'])
  }, 60_000)

  test('is not used on old ones that are silent', async () => {
    const wire = silentWire(server.port)
    const { sql, told, pids, first } = await open(400, { port: wire.port })
    await refuse()
    wire.silence()
    await failure(sql`SELECT 1 AS one`)
    expect(told).toEqual(['away'])
    const before = refusals()
    wire.restore()
    await until(() => refusals() > before + 2, 'new connections to be refused')
    expect({ told, state: sql.state() }).toEqual({ told: ['away'], state: 'away' })
    await take()
    await until(() => sql.state() === 'usable', 'the server to be used again')
    expect((await pids()).some((pid) => first.includes(pid))).toBe(false)
    wire.stop()
  }, 60_000)
})
