import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'
import { createGuardedPool } from '../../src/database/guarded-pool.ts'
import { eventually } from '../support/eventually.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

describe.skipIf(noPostgres !== undefined)('connections that are kept open', () => {
  let server: Postgres | undefined
  let url = ''
  beforeAll(async () => {
    server = await startPostgres()
    url = await server.newDatabase()
  }, 60_000)
  afterAll(() => server?.stop())

  test('are all used before they have idled for a minute, and replaced together after half an hour', async () => {
    const timers: { ms: number; run: () => void }[] = []
    let passedMs = 0
    const clock: Clock = {
      ...systemClock,
      monotonic: () => systemClock.monotonic() + passedMs,
      after(ms, run) {
        if (ms < 10_000) return systemClock.after(ms, run)
        timers.push({ ms, run })
        return () => {}
      },
    }
    const changes: string[] = []
    const pool = createGuardedPool({
      ...{ size: 3, answerMs: 5_000, isTimedByServer: () => true, isKeptOpen: true, clock, random: () => 0 },
      connect: () => new Bun.SQL({ url, max: 3, connection: { application_name: 'kept' } }),
      onChange: (state) => void changes.push(state),
    })
    await using observer = new Bun.SQL({ url, max: 1 })
    /** Of each connection its process, and when its last statement began. */
    const connections = async () => {
      const rows = await observer`SELECT pid, query_start::text AS used FROM pg_stat_activity
        WHERE application_name = 'kept' ORDER BY pid`
      const all: { pid: number; used: string }[] = [...rows]
      expect(all.map(({ used }) => typeof used)).toEqual(['string', 'string', 'string'])
      return all
    }
    const tick = () => {
      const timer = timers.shift()
      expect(timer?.ms).toBeLessThan(60_000)
      timer?.run()
    }
    await pool.run((connection) => connection.unsafe('SELECT 1'))
    const first = await eventually(() => {
      tick()
      return connections()
    })
    tick()
    await eventually(async () => {
      for (const [index, { pid, used }] of (await connections()).entries()) {
        expect(pid).toBe(first[index]?.pid ?? 0)
        expect(used).not.toBe(first[index]?.used ?? '')
      }
    })
    passedMs = 30 * 60_000
    await eventually(async () => {
      tick()
      const replaced = await connections()
      expect(replaced.some(({ pid }) => first.some((before) => before.pid === pid))).toBe(false)
    })
    await pool.run((connection) => connection.unsafe('SELECT 1'))
    expect(changes).toEqual([])
    await pool.close()
  }, 30_000)
})
