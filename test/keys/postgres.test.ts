import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database, Sql } from '../../src/database/sql.ts'
import { characterMeter } from '../support/bills.ts'
import { manualClock } from '../support/clock.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { counters, exact, type House, keyHouse, priced } from './support.ts'

// The same store on the other engine, with several gateways on one database.

describe.skipIf(noPostgres !== undefined)('on PostgreSQL', () => {
  let server: Postgres
  const homes: House[] = []
  const clock = manualClock()
  let statements = 0
  let transactions = 0
  const counting = (database: Database): Database =>
    Object.assign(
      (...statement: Parameters<Sql>) => {
        statements++
        return database(...statement)
      },
      database,
      {
        transaction: (...given: Parameters<Database['transaction']>) => {
          transactions++
          return database.transaction(...given)
        },
      },
    ) as Database
  beforeAll(async () => {
    server = await startPostgres()
    const url = await server.newDatabase()
    // Time limits go by the real clock, and the machine may be busy.
    const limits = { statementMs: 5_000, graceMs: 1_000 }
    for (let node = 0; node < 3; node++)
      homes.push(await keyHouse({ clock, database: counting(await openPostgres({ url, clock: systemClock, limits })) }))
  }, 60_000)
  afterAll(async () => {
    for (const home of homes) await home.close()
    server?.stop()
  })

  const home = (node = 0) => homes[node] as House
  const reserve = (node: number, secret: string, maxTokens: number) => {
    const record = home(node).request(secret)
    const meter = characterMeter()
    const reserving = home(node)
      .ledger.spendingOf(record)
      ?.reserve({ model: priced, prompt: { most: 10, likely: 10 }, maxTokens, longestReply: exact, meter })
    return { record, meter, reserving: reserving ?? Promise.reject(new Error('no budget')) }
  }

  test('200 calls of three gateways on a budget for 50 are 50', async () => {
    const { secret } = await home().keys.create({ name: 'a', budget: 'tokens:1000/day' })
    for (const { registry } of homes) await registry.refresh()
    const calls = Array.from({ length: 200 }, (_, at) => reserve(at % 3, secret, 10))
    const settled = await Promise.allSettled(calls.map(({ reserving }) => reserving))
    const granted = calls.filter((_, at) => settled[at]?.status === 'fulfilled')
    expect(granted).toHaveLength(50)
    expect((await counters(home(), 'a')).reserved).toBe(granted.length * 20)
    for (const [at, { record, meter }] of granted.entries()) {
      meter.reported({ inputTokens: 10, outputTokens: 5 })
      await home(calls.indexOf(granted[at] as (typeof calls)[number]) % 3).ledger.settle(record)
    }
    expect(await counters(home(1), 'a')).toMatchObject({ spent: granted.length * 15, reserved: 0 })
  }, 60_000)

  test('keys are made, changed, used, seen by others, reset and deleted', async () => {
    const budget = 'tokens:1000/5h,usd:1/month,credits:5/total'
    const { secret, id } = await home().keys.create({ name: 'b', models: 'priced', budget, rpm: 5, expires: '30d' })
    await home(1).registry.refresh()
    const { record, meter, reserving } = reserve(1, secret, 100)
    await reserving
    expect((await home(2).keys.show('b')).budgets.map(({ reserved }) => reserved > 0)).toEqual([true, true, true])
    meter.reported({ inputTokens: 10, outputTokens: 50 })
    await home(1).ledger.settle(record)
    const before = await home(2).keys.change('b', { rpm: null, budgets: ['tokens:5000/5h'] })
    expect(before).toMatchObject({ id, budgets: [{ spent: 60, limit: 5_000 }] })
    expect(before).not.toHaveProperty('rpm')
    expect((await home().keys.reset('b')).budgets[0]).toMatchObject({ spent: 0 })
    await home(1).store.touch(new Map([[id, clock.now()]]))
    expect((await home().keys.list()).find(({ name }) => name === 'b')?.last_used_at).toBe(clock.now())
    const { secret: rotated } = await home().keys.rotate('b')
    await home(1).registry.refresh()
    expect(() => home(1).request(secret)).toThrow('no such key')
    expect(home(1).request(rotated).caller.label).toBe('b')
    await home().keys.delete('b')
    await expect(home(1).keys.show('b')).rejects.toThrow('There is no key "b"')
    expect(await home().keys.create({ name: 'b' })).toMatchObject({ name: 'b' })
  }, 60_000)

  test('what gateways change at the same time is neither lost nor made twice', async () => {
    await home().keys.create({ name: 'shared' })
    const changes = [{ rpm: 7 }, { tpm: 7 }, { parallel: 7 }]
    await Promise.all(changes.map((change, node) => home(node).keys.change('shared', change)))
    expect(await home().keys.show('shared')).toMatchObject({ rpm: 7, tpm: 7, parallel: 7 })
    const made = await Promise.allSettled(homes.map(({ keys }) => keys.create({ name: 'twin' })))
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await Promise.all(['shared', 'twin'].map((name) => home().keys.delete(name)))
  }, 60_000)

  test('what a gateway has left is settled once', async () => {
    const { secret } = await home().keys.create({ name: 'c', budget: 'tokens:1000/total' })
    const { reserving } = reserve(0, secret, 100)
    await reserving
    await home().db`UPDATE reservations SET expires = 0`
    await Promise.all(homes.map(({ ledger }) => ledger.sweep()))
    expect(await counters(home(), 'c')).toEqual({ spent: 110, reserved: 0, left: 890 })
    expect(homes.flatMap(({ warnings }) => warnings)).toEqual([])
  }, 60_000)

  test('a call is two statements, and calls that come together are few', async () => {
    const { secret, id } = await home().keys.create({ name: 'd', budget: 'tokens:1b/day,usd:100/month' })
    const call = async (count: number) => {
      const calls = Array.from({ length: count }, () => reserve(0, secret, 100))
      await Promise.all(calls.map(({ reserving }) => reserving))
      for (const { meter } of calls) meter.reported({ inputTokens: 10, outputTokens: 90 })
      await Promise.all(calls.map(({ record }) => home().ledger.settle(record)))
    }
    await call(1)
    const before = { statements, transactions }
    await call(1)
    expect({ statements: statements - before.statements, transactions: transactions - before.transactions }).toEqual({
      statements: 2,
      transactions: 0,
    })
    await call(100)
    expect(statements - before.statements).toBeLessThan(12)
    const [first] = (await home(1).keys.show(id)).budgets
    expect(first).toMatchObject({ spent: 102 * 100, reserved: 0 })
    const stored = await home().db`SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%reservations%'`
    expect(stored.length).toBeGreaterThan(0)
  }, 60_000)

  test('what others have changed of the budgets meanwhile counts', async () => {
    const { secret } = await home().keys.create({ name: 'e', budget: 'tokens:1000/5h' })
    const end = async ({ record, meter }: ReturnType<typeof reserve>, outputTokens: number) => {
      meter.reported({ inputTokens: 10, outputTokens })
      await home().ledger.settle(record)
    }
    await home(1).registry.refresh()
    const first = reserve(0, secret, 490)
    await first.reserving
    await home(2).registry.refresh()
    // The other has not seen it, and its window has begun.
    expect((await reserve(1, secret, 990).reserving).maxTokens).toBe(490)
    await expect(reserve(2, secret, 10).reserving).rejects.toMatchObject({ code: 'budget_reserved' })
    await end(first, 490)
    await home(2).keys.reset('e')
    expect((await reserve(0, secret, 900).reserving).maxTokens).toBe(900)
    await home(2).keys.change('e', { budgets: ['tokens:2000/5h', 'usd:1/day'] })
    await home().registry.refresh()
    const wide = reserve(0, secret, 1_000)
    await wide.reserving
    expect((await home(2).keys.show('e')).budgets.map(({ unit, reserved }) => [unit, reserved > 0])).toEqual([
      ['tokens', true],
      ['usd', true],
    ])
    clock.advance(5 * 3_600_000)
    const next = reserve(1, secret, 500)
    await next.reserving
    await end(wide, 1_000)
    const [tokens] = (await home(2).keys.show('e')).budgets
    expect(tokens).toMatchObject({ spent: 0, reserved: 510 })
  }, 60_000)

  test('a budget that a key is given again holds on a gateway that has seen it without one', async () => {
    const { secret } = await home().keys.create({ name: 'g', budget: 'tokens:1000/day' })
    await home(1).registry.refresh()
    await reserve(1, secret, 10).reserving
    // A request that was let in with the old budget, and calls a model later.
    const early = home(1).request(secret)
    await home().keys.change('g', { budgets: null })
    const prompt = { most: 10, likely: 10 }
    await home(1)
      .ledger.spendingOf(early)
      ?.reserve({ model: priced, prompt, maxTokens: 10, longestReply: exact, meter: characterMeter() })
    await home().keys.change('g', { budgets: ['tokens:100/day'] })
    await home(1).registry.refresh()
    const calls = Array.from({ length: 10 }, () => reserve(1, secret, 10).reserving)
    const outcomes = await Promise.allSettled(calls)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
  }, 60_000)

  test('calls that come together take what is left in their order, and no more', async () => {
    const { secret } = await home().keys.create({ name: 'f', budget: 'tokens:1000/day' })
    const wanted = [390, 390, 390, 190, 90]
    const calls = wanted.map((tokens) => reserve(0, secret, tokens))
    const outcomes = await Promise.allSettled(calls.map(({ reserving }) => reserving))
    // 400, 400, and then 200 of the third; nothing is left for the others.
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.maxTokens : 0))).toEqual([
      390, 390, 0, 190, 0,
    ])
    expect(await counters(home(), 'f')).toEqual({ spent: 0, reserved: 1_000, left: 0 })
  }, 60_000)
})
