import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { characterMeter } from '../support/bills.ts'
import { manualClock } from '../support/clock.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { counters, exact, type House, keyHouse, priced } from './support.ts'

// The same store on the other engine, with several gateways on one database.

describe.skipIf(noPostgres !== undefined)('on PostgreSQL', () => {
  let server: Postgres
  const homes: House[] = []
  const clock = manualClock()
  beforeAll(async () => {
    server = await startPostgres()
    const url = await server.newDatabase()
    // Time limits go by the real clock.
    for (let node = 0; node < 3; node++)
      homes.push(await keyHouse({ clock, database: await openPostgres({ url, clock: systemClock }) }))
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
      ?.reserve({ model: priced, prompt: 10, maxTokens, longestReply: exact, meter })
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
})
