import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import type { GatewayError } from '../../src/core/errors.ts'
import { issuedPrefix } from '../../src/core/issued-keys.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { sourceText } from '../../src/database/sql.ts'
import { openKeys } from '../../src/keys/open-keys.ts'
import { openRecord } from '../../src/observe/record.ts'
import { databaseId, openJournal } from '../../src/store/journal.ts'
import { createKeyStore } from '../../src/store/keys.ts'
import { characterMeter } from '../support/bills.ts'
import { manualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { noPostgres } from '../support/postgres.ts'
import { usePostgres } from '../support/use-postgres.ts'
import { dialects, exact, priced, table } from './support.ts'

// What keys may do while their server is away, and what gateways whose clocks differ make of it.

interface GatewayOptions {
  aheadMs?: number
  isStrict?: boolean
  journalPath?: string
}

describe.skipIf(noPostgres !== undefined)('keys of several gateways', () => {
  const postgres = usePostgres()

  /** One gateway. Its keys go by a clock of the test, which is `aheadMs` ahead of that of the database. */
  async function gateway(url: string, { aheadMs = 0, isStrict = false, journalPath }: GatewayOptions = {}) {
    const clock = manualClock(Date.now() + aheadMs)
    const limits = { statementMs: 5_000, graceMs: 1_000 }
    const database = await openPostgres({ url, clock: systemClock, limits })
    const warnings: string[] = []
    const journal = openJournal({
      ...{ path: journalPath, database: await databaseId(database), clock },
      warn: (message) => void warnings.push(message),
    })
    const served = await openKeys({
      ...{
        database,
        clock,
        dialects,
        upstreams: () => ['demo'],
        table: () => table,
        isStrict: () => isStrict,
        journal,
        policy: () => ({}),
        info: () => {},
      },
      random: (bytes) => crypto.getRandomValues(bytes),
      warn: (message) => void warnings.push(message),
    })
    postgres.closeLater(async () => {
      await served.close()
      await database.close()
    })
    const call = async (secret: string, tokens: number) => {
      const record = openRecord(`req_${Bun.randomUUIDv7()}`, 'POST', '/v1/messages', clock)
      const caller = served.registry.callerOf(secret)
      if (caller === undefined) throw new Error('no secret of ours')
      record.caller = caller
      const meter = characterMeter()
      await served.ledger
        .spendingOf(record)
        ?.reserve({ model: priced, prompt: { most: 10, likely: 10 }, maxTokens: tokens, longestReply: exact, meter })
      return async () => {
        meter.reported({ inputTokens: 10, outputTokens: tokens })
        await served.ledger.settle(record)
      }
    }
    return { ...served, database, clock, warnings, journal, call }
  }

  const refusal = (promise: Promise<unknown>): Promise<GatewayError> =>
    promise.then(() => expect.unreachable('it was let in')).catch((thrown) => thrown)

  test('go on by what was known while it is away, and cost exactly what they cost', async () => {
    const url = await postgres.server.newDatabase()
    const [home, strict] = [await gateway(url), await gateway(url, { isStrict: true })]
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const { secret: free } = await home.keys.create({ name: 'free' })
    await strict.registry.refresh()
    const [before, strictly] = [await home.call(secret, 90), await strict.call(secret, 90)]
    // Changes of keys wait for the disk, and with them what came before.
    await home.keys.change('free', { rpm: 1_000 })
    await postgres.server.crash()
    const look = async (each: typeof home) => {
      each.clock.advance(400)
      expect(await refusal(each.call(`${issuedPrefix}unknown`, 1))).toMatchObject({ code: 'keys_unavailable' })
    }
    await eventually(() => Promise.all([look(home), look(strict)]))
    await until(home.database.isAway, 'the gateway to know that it is away')
    await before()
    await strictly()
    for (const tokens of [190, 190, 190, 190]) await (await home.call(secret, tokens))()
    // What was reserved before stays reserved until the database is back.
    expect(await refusal(home.call(secret, 90))).toMatchObject({ kind: 'rate-limited' })
    expect(await refusal(strict.call(secret, 1))).toMatchObject({ code: 'budget_unavailable' })
    await strict.call(free, 1)
    expect([home.journal.count('costs'), strict.journal.count('costs')]).toEqual([5, 1])
    // Tries in vain.
    for (const { clock } of [home, strict]) clock.advance(5_000)
    postgres.server.start()
    await until(() => !home.database.isAway() && !strict.database.isAway(), 'the server to be back')
    await eventually(async () => {
      home.clock.advance(1_000)
      strict.clock.advance(1_000)
      const [budget] = (await home.keys.show('a')).budgets
      expect(budget).toMatchObject({ spent: 100 + 100 + 4 * 200, reserved: 0 })
    })
    const stored = await home.database`SELECT id FROM settlements`
    expect(stored).toHaveLength(4)
  }, 60_000)

  test('share a journal with a gateway of another database, and each database gets what is its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-journals-'))
    try {
      const options = { journalPath: join(folder, 'journal.sqlite') }
      const [home, other] = [
        await gateway(await postgres.server.newDatabase(), options),
        await gateway(await postgres.server.newDatabase(), options),
      ]
      const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
      await (await home.call(secret, 90))()
      await home.keys.change('a', { rpm: 1_000 })
      await postgres.server.crash()
      try {
        await eventually(async () => {
          for (const { database } of [home, other]) await database`SELECT 1 AS one`.catch(() => {})
          for (const { database } of [home, other]) expect(database.isAway()).toBe(true)
        })
        await (await home.call(secret, 190))()
      } finally {
        postgres.server.start()
      }
      await until(() => !home.database.isAway() && !other.database.isAway(), 'the server to be back')
      // The other looks first.
      await other.close()
      expect(home.journal.count('costs')).toBe(1)
      await eventually(async () => {
        home.clock.advance(1_000)
        expect((await home.keys.show('a')).budgets[0]).toMatchObject({ spent: 300, reserved: 0 })
      })
      expect(await eventually(() => other.database`SELECT id FROM settlements`)).toEqual([])
    } finally {
      await postgres.closeAll()
      rmSync(folder, { recursive: true })
    }
  }, 60_000)

  test('that are known are not trusted for longer than a minute', async () => {
    const home = await gateway(await postgres.server.newDatabase())
    const { secret } = await home.keys.create({ name: 'a' })
    await home.call(secret, 1)
    await postgres.server.crash()
    try {
      await eventually(async () => {
        home.clock.advance(400)
        expect(home.warnings).not.toEqual([])
      })
      await home.call(secret, 1)
      home.clock.advance(60_000)
      expect(await refusal(home.call(secret, 1))).toMatchObject({ kind: 'overloaded', code: 'keys_unavailable' })
      expect(home.warnings).toHaveLength(1)
    } finally {
      postgres.server.start()
    }
  }, 60_000)

  test('are refused by all as soon as they are disabled by one, which the others hear', async () => {
    const url = await postgres.server.newDatabase()
    const [home, other] = [await gateway(url), await gateway(url)]
    const { secret } = await home.keys.create({ name: 'a' })
    // The clock of the other stands still, so that it does not look by itself.
    await eventually(() => other.call(secret, 1))
    await home.keys.change('a', { disabled: true })
    await eventually(async () => expect(await refusal(other.call(secret, 1))).toMatchObject({ code: 'key_disabled' }))
  }, 30_000)

  test('keep what they have reserved where the clock of another gateway is five minutes ahead', async () => {
    const url = await postgres.server.newDatabase()
    const [home, ahead] = [await gateway(url), await gateway(url, { aheadMs: 300_000 })]
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/5h' })
    const settle = await home.call(secret, 90)
    await ahead.ledger.sweep()
    expect((await ahead.keys.show('a')).budgets[0]).toMatchObject({ spent: 0, reserved: 100 })
    await settle()
    expect((await ahead.keys.show('a')).budgets[0]).toMatchObject({ spent: 100, reserved: 0 })
  }, 30_000)

  test('are settled exactly where a gateway was cut off, and another has settled by estimate what that had reserved', async () => {
    const url = await postgres.server.newDatabase()
    const [home, other] = [await gateway(url), await gateway(url)]
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const budget = async () => (await other.keys.show('a')).budgets[0]
    const settles = [await home.call(secret, 90), await home.call(secret, 40)]
    // This one never comes back.
    await home.call(secret, 10)
    await home.database`UPDATE reservations SET expires = 0, estimate = 15`
    await other.ledger.sweep()
    expect(await budget()).toMatchObject({ spent: 45, reserved: 0 })
    for (const settle of settles) await settle()
    expect(await budget()).toMatchObject({ spent: 100 + 50 + 15, reserved: 0 })
    await home.database`UPDATE reservations SET expires = 0`
    await other.ledger.sweep()
    expect(await budget()).toMatchObject({ spent: 100 + 50 + 15, reserved: 0 })
    expect(await home.database`SELECT id FROM reservations`).toEqual([])
  }, 30_000)

  test('are settled exactly where a gateway was cut off twice during one call', async () => {
    const url = await postgres.server.newDatabase()
    const [home, other] = [await gateway(url), await gateway(url)]
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const budget = async () => (await other.keys.show('a')).budgets[0]
    const settle = await home.call(secret, 90)
    const extend = async (estimate: number) => {
      const [row] = await home.database<{ id: string; budget: string }>`SELECT id, budget FROM reservations`
      const estimates = new Map([[row?.budget ?? '', estimate]])
      await createKeyStore(home.database).extend([{ id: row?.id ?? '', estimates }], home.clock.now() + 120_000)
    }
    await home.database`UPDATE reservations SET expires = 0, estimate = 15`
    await other.ledger.sweep()
    for (const estimate of [15, 40, 40]) {
      await extend(estimate)
      other.clock.advance(200_000)
      await other.ledger.sweep()
      expect(await budget()).toMatchObject({ spent: estimate, reserved: 0 })
    }
    await settle()
    expect(await budget()).toMatchObject({ spent: 100, reserved: 0 })
    expect(await home.database`SELECT id FROM reservations`).toEqual([])
  }, 30_000)

  test('of a gateway that was cut off are extended as soon as it is back', async () => {
    const home = await gateway(await postgres.server.newDatabase())
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const settle = await home.call(secret, 90)
    // What came before waits for the disk with it.
    await home.keys.change('a', { rpm: 1_000 })
    await postgres.server.crash()
    try {
      home.clock.advance(30_000)
      await eventually(() => expect(home.warnings.join()).toContain('can be neither kept nor settled'))
    } finally {
      postgres.server.start()
    }
    await eventually(() => home.database`UPDATE reservations SET expires = 0`)
    home.clock.advance(1_000)
    await eventually(async () => {
      home.clock.advance(100)
      const [row] = await home.database`SELECT amount, expires FROM reservations`
      expect(row).toMatchObject({ amount: 100 })
      expect(row?.expires).toBeGreaterThan(0)
    })
    await settle()
    await eventually(async () => {
      home.clock.advance(1_000)
      expect((await home.keys.show('a')).budgets[0]).toMatchObject({ spent: 100, reserved: 0 })
    })
  }, 60_000)

  test('wait in the journal for a table that is missing, and leave out only what is refused for itself', async () => {
    const home = await gateway(await postgres.server.newDatabase())
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const settles = [await home.call(secret, 90), await home.call(secret, 40)]
    const said = (text: string) => home.warnings.filter((warning) => warning === text).length
    await home.database`ALTER TABLE reservations RENAME TO missing`
    await settles[0]?.()
    home.journal.add('costs', { id: 'wrong', text: JSON.stringify({ spent: [['a', 0.5]] }) })
    await settles[1]?.()
    await eventually(() => {
      home.clock.advance(1_000)
      expect(said('what requests have cost cannot be stored now; it is tried again')).toBe(1)
    })
    expect(home.journal.count('costs')).toBe(3)
    await home.database`ALTER TABLE missing RENAME TO reservations`
    await eventually(async () => {
      home.clock.advance(1_000)
      expect((await home.keys.show('a')).budgets[0]).toMatchObject({ spent: 150, reserved: 0 })
      expect(home.journal.count('costs')).toBe(0)
    })
    expect(said('what requests have cost cannot be stored now; it is tried again')).toBe(1)
    expect(said('what a request has cost could not be stored')).toBe(1)
  }, 30_000)

  test('are not waited for longer than two seconds, and what is reserved later is free again', async () => {
    const home = await gateway(await postgres.server.newDatabase())
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    await (await home.call(secret, 90))()
    await home.database.transaction(async (inside) => {
      await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
      await inside`SELECT id FROM budgets FOR UPDATE`
      const refused = refusal(home.call(secret, 190))
      await eventually(async () => {
        const [row] = await home.database`SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`
        expect(row).toEqual({ n: 1 })
      })
      home.clock.advance(2_000)
      expect(await refused).toMatchObject({ code: 'budget_unavailable', status: 503 })
    }, 5_000)
    // It comes behind the other.
    await (await home.call(secret, 40))()
    await eventually(async () => {
      home.clock.advance(1_000)
      expect((await home.keys.show('a')).budgets[0]).toMatchObject({ spent: 150, reserved: 0 })
    })
    expect(await home.database`SELECT id FROM reservations`).toEqual([])
  }, 30_000)

  test('go on beside a newer version of the gateway that has changed the tables', async () => {
    const url = await postgres.server.newDatabase()
    const home = await gateway(url)
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const settle = await home.call(secret, 90)
    await home.database.transaction(async (sql) => {
      for (const table of ['keys', 'budgets', 'reservations', 'usage', 'requests'])
        await sql(sourceText(`ALTER TABLE ${table} ADD COLUMN of_the_future bigint`))
      await sql`INSERT INTO schema_version (version) SELECT max(version) + 1 FROM schema_version`
    }, 5_000)
    await settle()
    await (await home.call(secret, 90))()
    await home.keys.change('a', { rpm: 9 })
    expect((await home.keys.show('a')).budgets[0]).toMatchObject({ spent: 200, reserved: 0 })
    await expect(openPostgres({ url, clock: systemClock })).rejects.toThrow('use the newer version')
  }, 30_000)

  test('with budgets are refused while the disk of the server is full, and let in again after that', async () => {
    const home = await gateway(await postgres.server.newDatabase())
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    await home.database`CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$`
    await home.database`CREATE TRIGGER no_room BEFORE INSERT ON reservations EXECUTE FUNCTION no_room()`
    expect(await refusal(home.call(secret, 1))).toMatchObject({ code: 'budget_unavailable', status: 503 })
    expect(home.database.isAway()).toBe(false)
    await home.database`DROP TRIGGER no_room ON reservations`
    await (await home.call(secret, 90))()
    expect((await home.keys.show('a')).budgets[0]).toMatchObject({ spent: 100, reserved: 0 })
  }, 30_000)

  test('have what four gateways left behind settled once, without deadlocks', async () => {
    const url = await postgres.server.newDatabase()
    const nodes = await Promise.all([1, 2, 3, 4].map((aheadMs) => gateway(url, { aheadMs })))
    const [home] = nodes as [Awaited<ReturnType<typeof gateway>>]
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:100000/day,credits:100/day,usd:5/day' })
    for (const { registry } of nodes) await registry.refresh()
    await Promise.all(Array.from({ length: 80 }, (_, index) => nodes[index % 4]?.call(secret, 10)))
    await home.database`UPDATE reservations SET expires = 0`
    await Promise.all(nodes.map(({ ledger }) => ledger.sweep()))
    expect(await home.database`SELECT count(*) AS n FROM reservations WHERE amount > 0`).toEqual([{ n: 0 }])
    expect((await home.keys.show('a')).budgets.find(({ unit }) => unit === 'tokens')).toMatchObject({
      ...{ spent: 80 * 20, reserved: 0 },
    })
    expect(nodes.flatMap(({ warnings }) => warnings)).toEqual([])
  }, 60_000)
})
