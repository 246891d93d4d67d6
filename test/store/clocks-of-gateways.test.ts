import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { openStorage, type Storage } from '../../src/composition/storage.ts'
import { loadConfig } from '../../src/config/load.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { manualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

// The dates of machines differ, and one may be far off.

const dayMs = 24 * 3_600_000

describe.skipIf(noPostgres !== undefined)('what gateways store together', () => {
  let server: Postgres | undefined
  const opened: Storage[] = []
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-clocks-'))
  afterAll(async () => {
    for (const storage of opened) await storage.closeStores()
    for (const storage of opened) await storage.closeDatabase()
    server?.stop()
    rmSync(folder, { recursive: true })
  })

  async function gateway(url: string, aheadMs: number) {
    const env = { UPSTREAMS: 'demo', STORE: 'database', DATABASE_URL: url, LOG_KEEP: '1d,1000' }
    const { config } = loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
    // Deletes old rows a second after its start, whatever the machine's own clock does.
    const timers = manualClock(systemClock.now())
    const clock = { ...systemClock, now: () => systemClock.now() + aheadMs, after: timers.after }
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const storage = await openStorage({ current: () => config, kept: { folder }, clock, log, warn() {} })
    opened.push(storage)
    if (storage.database === undefined) throw new Error('no database')
    return { storage, sql: storage.database, deleteOld: () => timers.advance(1_000) }
  }

  test('expires by the date of the database, not by that of a machine', async () => {
    server = await startPostgres()
    const url = await server.newDatabase()
    const right = await gateway(url, 0)
    const ahead = await gateway(url, 31 * dayMs)
    const behind = await gateway(url, -31 * dayMs)
    const reply = (id: string) => ({ id, reply: { id }, input: [] })

    await right.storage.replies.put('ann', reply('one'))
    await behind.storage.replies.put('ann', reply('two'))
    await ahead.storage.replies.put('ann', reply('three'))
    for (const { storage } of [right, ahead, behind])
      for (const id of ['one', 'two', 'three']) expect(await storage.replies.get('ann', id)).toEqual(reply(id))

    expect(await right.storage.approvals.use('ann', 'mcpr_1')).toBe(true)
    expect(await behind.storage.approvals.use('ann', 'mcpr_2')).toBe(true)
    expect(await ahead.storage.approvals.use('ann', 'mcpr_3')).toBe(true)
    for (const { storage } of [right, ahead, behind])
      for (const id of ['mcpr_1', 'mcpr_2', 'mcpr_3']) expect(await storage.approvals.use('ann', id)).toBe(false)

    const insert = (id: string, at: number) =>
      right.sql`INSERT INTO requests (id, at, meta) VALUES (${id}, ${Math.round(at)}, '{}')`
    await insert('old', systemClock.now() - 2 * dayMs)
    await insert('new', systemClock.now() - dayMs / 2)
    ahead.deleteOld()
    await eventually(async () => expect(await right.sql`SELECT id FROM requests`).toEqual([{ id: 'new' }]))
    await ahead.storage.requests?.flush()
    expect(await right.sql`SELECT id FROM requests`).toEqual([{ id: 'new' }])
  }, 60_000)
})
