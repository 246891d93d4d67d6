import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { type PausedCredentials, pausedCredentials } from '../../src/store/paused-credentials.ts'
import { eventually } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

// What the operator pauses on one gateway is paused on all gateways of a database.

describe.skipIf(noPostgres !== undefined)('paused credentials of several gateways', () => {
  let server: Postgres
  const opened: { close(): Promise<void> }[] = []
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterEach(async () => {
    for (const each of opened.splice(0).toReversed()) await each.close()
  })
  afterAll(() => server?.stop())

  async function gateway(url: string, node: string) {
    const limits = { statementMs: 5_000, graceMs: 1_000 }
    const sql = await openPostgres({ url, clock: systemClock, limits })
    const paused: PausedCredentials = await pausedCredentials({ sql, node, clock: systemClock })
    opened.push(sql, paused)
    return { sql, paused, zai: paused.of('zai') }
  }

  test('are paused and resumed on all, and paused on one that starts later before its first call', async () => {
    const url = await server.newDatabase()
    const [home, other] = [await gateway(url, 'home'), await gateway(url, 'other')]
    let changes = 0
    const stop = other.zai.watch(() => changes++)
    await home.zai.set('one', true)
    expect(home.zai.isPaused('one')).toBe(true)
    await eventually(() => expect(other.zai.isPaused('one')).toBe(true))
    expect(changes).toBeGreaterThan(0)
    stop()
    expect([other.zai.isPaused('two'), other.paused.of('zai-web').isPaused('one')]).toEqual([false, false])
    const later = await gateway(url, 'later')
    expect(later.zai.isPaused('one')).toBe(true)
    await later.zai.set('one', false)
    await eventually(() => expect([home, other].map(({ zai }) => zai.isPaused('one'))).toEqual([false, false]))
    expect(await home.sql`SELECT credential FROM paused_credentials`).toEqual([])
  }, 30_000)

  test('are read at a start however busy the server is for a moment', async () => {
    const url = await server.newDatabase()
    const sql = await openPostgres({ url, clock: systemClock, limits: { statementMs: 500, graceMs: 5_000 } })
    opened.push(sql)
    await using admin = new Bun.SQL({ url, max: 1 })
    const ended = () => readFileSync(join(server.data, '../log'), 'utf8').split('due to statement timeout').length
    const { starting } = await admin.begin(async (inside) => {
      await inside.unsafe('LOCK TABLE paused_credentials IN ACCESS EXCLUSIVE MODE')
      const before = ended()
      const begun = pausedCredentials({ sql, node: 'home', clock: systemClock })
      // The test sees it below.
      begun.catch(() => {})
      await until(() => ended() > before, 'the server to end a statement')
      return { starting: begun }
    })
    const paused = await starting
    opened.push(paused)
    expect(paused.of('zai').isPaused('one')).toBe(false)
  }, 30_000)

  test('that are paused while the database is away are so on that gateway, and on all afterwards', async () => {
    const url = await server.newDatabase()
    const [home, other] = [await gateway(url, 'home'), await gateway(url, 'other')]
    await home.zai.set('before', true)
    await eventually(() => expect(other.zai.isPaused('before')).toBe(true))
    await server.crash()
    try {
      await home.zai.set('one', true)
      expect([home.zai.isPaused('one'), other.zai.isPaused('one')]).toEqual([true, false])
      expect(other.zai.isPaused('before')).toBe(true)
    } finally {
      server.start()
    }
    await until(() => other.zai.isPaused('one'), 'the other to know')
    expect([home, other].map(({ zai }) => zai.isPaused('before'))).toEqual([true, true])
  }, 60_000)
})
