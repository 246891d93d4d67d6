import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database } from '../../src/database/sql.ts'
import { digestOf } from '../../src/http/client-keys.ts'
import { sharedSignInSessions } from '../../src/http/shared-sign-in-sessions.ts'
import { deleteExpiredRows } from '../../src/store/expired-rows.ts'
import { type OperatorSessions, operatorSessions } from '../../src/store/operator-sessions.ts'
import { manualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

// The sign-in to the operator's page, on gateways that share a database.

const key = digestOf('sk-admin')
const host = 'gw.example'
const hourMs = 3_600_000

function gatewayOn(stored: OperatorSessions) {
  const clock = manualClock()
  const sessions = sharedSignInSessions(stored, { clock, random: (bytes) => crypto.getRandomValues(bytes) })
  /** Whether a request with the session is let in. */
  const admits = async (secret: string, { as = key, at = host } = {}) => {
    await sessions.recall([secret], as, at)
    return sessions.holds(secret, as, at)
  }
  return { clock, sessions, admits }
}

describe.skipIf(noPostgres !== undefined)('sessions of several gateways', () => {
  let server: Postgres
  let sql: Database
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  beforeEach(async () => {
    const limits = { statementMs: 5_000, graceMs: 1_000 }
    sql = await openPostgres({ url: await server.newDatabase(), clock: systemClock, limits })
  })
  afterEach(() => sql.close())
  afterAll(() => server?.stop())

  const gateways = () => {
    const [home, other] = [gatewayOn(operatorSessions(sql)), gatewayOn(operatorSessions(sql))]
    return { home, other }
  }

  test('hold on each of them, for the same key and Host only', async () => {
    const { home, other } = gateways()
    const secret = await home.sessions.open(key, host)
    for (const { admits } of [home, other]) {
      expect(await admits(secret)).toBe(true)
      expect(await admits(secret, { as: digestOf('sk-other') })).toBe(false)
      expect(await admits(secret, { at: 'rebound.example' })).toBe(false)
      expect(await admits('A'.repeat(43))).toBe(false)
      expect(await admits(secret)).toBe(true)
    }
  })

  test('end on each of them within a second of the sign-out, on that one at once', async () => {
    const { home, other } = gateways()
    const secret = await home.sessions.open(key, host)
    expect(await other.admits(secret)).toBe(true)
    await home.sessions.close([secret])
    expect(await home.admits(secret)).toBe(false)
    other.clock.advance(1_000)
    expect(await other.admits(secret)).toBe(false)
  })

  test('end for a long answer, too, which makes no request', async () => {
    const { home, other } = gateways()
    const secret = await home.sessions.open(key, host)
    expect(await other.admits(secret)).toBe(true)
    await home.sessions.close([secret])
    other.clock.advance(500)
    await eventually(() => expect(other.sessions.isOpen(secret, key, host)).toBe(false))
  })

  test('end by the clock of the database, and are prolonged by requests alone', async () => {
    const { home, other } = gateways()
    const secret = await home.sessions.open(key, host)
    const age = (column: 'used' | 'started', hours: number) =>
      column === 'used'
        ? sql`UPDATE operator_sessions SET used = used - ${hours * hourMs}::bigint`
        : sql`UPDATE operator_sessions SET started = started - ${hours * hourMs}::bigint`
    const idle = async () =>
      (
        await sql<{ ms: number }>`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - used AS ms
        FROM operator_sessions`
      )[0]?.ms
    await age('used', 11)
    home.clock.advance(1_000)
    home.sessions.isOpen(secret, key, host)
    await home.sessions.recall(['A'.repeat(43)], key, host)
    expect(await idle()).toBeGreaterThanOrEqual(11 * hourMs)
    expect(await other.admits(secret)).toBe(true)
    expect(await idle()).toBeLessThan(hourMs)
    await age('used', 13)
    for (const { admits, clock } of [home, other]) {
      clock.advance(1_000)
      expect(await admits(secret)).toBe(false)
    }
    await age('used', -13)
    expect(await other.admits(secret)).toBe(true)
    await age('started', 7 * 24 + 1)
    other.clock.advance(1_000)
    expect(await other.admits(secret)).toBe(false)
    await deleteExpiredRows(sql)
    expect(await sql`SELECT id FROM operator_sessions`).toEqual([])
  })

  test('are found where the disk of the database is full, which can still be read', async () => {
    const { home, other } = gateways()
    const secret = await home.sessions.open(key, host)
    await sql`UPDATE operator_sessions SET used = used - ${hourMs}::bigint`
    await sql`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN RAISE EXCEPTION ''no space left on device'' USING ERRCODE = ''53100''; END'`
    await sql`CREATE TRIGGER full_disk BEFORE UPDATE ON operator_sessions FOR EACH ROW EXECUTE FUNCTION refuse()`
    expect(await other.admits(secret)).toBe(true)
  })

  test('are stored as digests alone', async () => {
    const { home } = gateways()
    const secret = await home.sessions.open(key, host)
    const rows = [...(await sql`SELECT * FROM operator_sessions`)]
    expect(rows).toMatchObject([{ id: new Bun.CryptoHasher('sha256').update(secret).digest('hex') }])
    const text = JSON.stringify(rows)
    for (const revealed of [secret, host, 'sk-admin', Buffer.from(key).toString('hex')])
      expect(text).not.toContain(revealed)
  })

  test('are a hundred at most: the oldest ends for a new one', async () => {
    const { home, other } = gateways()
    const [first = '', ...others] = await Promise.all(Array.from({ length: 100 }, () => home.sessions.open(key, host)))
    await sql`UPDATE operator_sessions SET started = started - 1000
      WHERE id = ${new Bun.CryptoHasher('sha256').update(first).digest('hex')}`
    const last = await home.sessions.open(key, host)
    expect(await sql`SELECT count(*) AS n FROM operator_sessions`).toEqual([{ n: 100 }])
    expect(await other.admits(first)).toBe(false)
    for (const secret of [...others, last]) expect(await other.admits(secret)).toBe(true)
  })

  test('go on for a minute while the database is away, where they are known', async () => {
    const { home, other } = gateways()
    const known = await home.sessions.open(key, host)
    const ended = await home.sessions.open(key, host)
    const elsewhere = await other.sessions.open(key, host)
    // A sign-out waits for the disk, and so for all that came before it.
    await other.sessions.close([await other.sessions.open(key, host)])
    await server.crash()
    let added = ''
    try {
      home.clock.advance(59_000)
      expect(await home.admits(known)).toBe(true)
      expect(await home.admits(elsewhere)).toBe(false)
      // A sign-in and a sign-out hold here, and everywhere once the database is back.
      added = await home.sessions.open(key, host)
      expect(await home.admits(added)).toBe(true)
      expect(await other.admits(added)).toBe(false)
      await home.sessions.close([ended])
      expect(await home.admits(ended)).toBe(false)
      home.clock.advance(1_000)
      expect([await home.admits(known), home.sessions.isOpen(known, key, host)]).toEqual([false, false])
      home.clock.advance(hourMs)
      expect(await home.admits(added)).toBe(true)
    } finally {
      server.start()
    }
    await eventually(async () => {
      for (const { clock } of [home, other]) clock.advance(1_000)
      expect(await other.admits(added)).toBe(true)
      expect(await other.admits(ended)).toBe(false)
      expect(await home.admits(known)).toBe(true)
    })
  }, 60_000)
})

test('look-ups that come together are one, and a session that was ended meanwhile does not come back', async () => {
  const finds: { asked: string[]; answer: (ids: string[]) => void }[] = []
  const { sessions } = gatewayOn({
    insert: async () => {},
    remove: async () => {},
    async find(asked) {
      const { promise, resolve } = Promise.withResolvers<string[]>()
      finds.push({ asked: asked.map(({ id }) => id), answer: resolve })
      const ids = await promise
      return asked.filter(({ id }) => ids.includes(id)).map((each) => ({ ...each, ageMs: 0, idleMs: 0 }))
    },
  })
  const begun = sessions.recall(['one'], key, host)
  await eventually(() => expect(finds).toHaveLength(1))
  const later = ['two', 'three', 'four'].map((secret) => sessions.recall([secret], key, host))
  await sessions.close(['one'])
  finds[0]?.answer(finds[0].asked)
  await begun
  await eventually(() => expect(finds).toHaveLength(2))
  finds[1]?.answer(finds[1].asked.slice(0, 1))
  await Promise.all(later)
  const held = ['one', 'two', 'three', 'four'].filter((secret) => sessions.holds(secret, key, host))
  expect(held).toEqual(['two'])
  expect(finds.map(({ asked }) => asked.length)).toEqual([1, 3])
})
