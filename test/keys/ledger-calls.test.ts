import { afterEach, describe, expect, test } from 'bun:test'
import { characterMeter } from '../support/bills.ts'
import { closeHouses, end, file, house, reserve } from './spending.ts'
import { counters, exact, keyHouse, priced } from './support.ts'

afterEach(closeHouses)

describe('what is counted of a request', () => {
  test('whose client left: what its upstream had written until then, whatever became of it', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const [begun, sent, waiting] = [home.request(secret), home.request(secret), home.request(secret)]
    for (const record of [begun, sent, waiting]) await reserve(home, record, 300)
    begun.calls[0]?.sent()
    begun.calls[0]?.wrote('x'.repeat(77))
    sent.calls[0]?.sent()
    await home.ledger.settle(begun)
    expect(await counters(home, 'a')).toEqual({ spent: 87, reserved: 620, left: 293 })
    await home.ledger.settle(sent)
    await home.ledger.settle(waiting)
    expect(await counters(home, 'a')).toEqual({ spent: 97, reserved: 0, left: 903 })
  })

  test('that was refused by one upstream and served by another: what the other has cost', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    const { settle } = await reserve(home, record, 300)
    record.calls[0]?.sent()
    record.calls[0]?.refused()
    await settle()
    expect((await counters(home, 'a')).reserved).toBe(0)
    await reserve(home, record, 400)
    expect((await counters(home, 'a')).reserved).toBe(410)
    await end(home, record, 10, 20)
    expect(await counters(home, 'a')).toEqual({ spent: 30, reserved: 0, left: 970 })
  })

  test('that made two calls: both, each by what it has cost itself', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    const { settle } = await reserve(home, record, 300)
    record.calls[0]?.reported({ inputTokens: 20, outputTokens: 200 })
    await settle()
    expect(await counters(home, 'a')).toEqual({ spent: 220, reserved: 0, left: 780 })
    await reserve(home, record, 300)
    await end(home, record, 20, 100)
    expect(await counters(home, 'a')).toEqual({ spent: 340, reserved: 0, left: 660 })
    await settle()
    expect(await counters(home, 'a')).toEqual({ spent: 340, reserved: 0, left: 660 })
  })

  test('that was over before its reservations came: nothing', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    const reserving = reserve(home, record, 300)
    await home.ledger.settle(record)
    await reserving
    await reserve(home, record, 300)
    home.clock.advance(30_000)
    await home.ledger.close()
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 0, left: 1000 })
  })
})

describe('a reservation', () => {
  test('of a process that ended is settled by its estimate once it has expired', async () => {
    const path = file()
    const home = await house({ path })
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:50000/day' })
    const record = home.request(secret)
    const other = await keyHouse({ path, clock: home.clock })
    const spending = other.ledger.spendingOf(record)
    const big = { ...priced, maxOutputTokens: 40_000 }
    const call = { model: big, prompt: { most: 10, likely: 10 }, longestReply: exact, meter: characterMeter() }
    await spending?.reserve({ ...call, maxTokens: 30_000 })
    await spending?.reserve({ ...call, maxTokens: 20 })
    // It ends without a word.
    await other.db.close()
    home.clock.advance(100_000)
    await home.ledger.sweep()
    expect((await counters(home, 'a')).reserved).toBe(30_040)
    home.clock.advance(30_000)
    await home.ledger.sweep()
    expect(await counters(home, 'a')).toEqual({ spent: 10 + 4_096 + 30, reserved: 0, left: 50_000 - 4_136 })
  })

  test('of a request that runs for long stays', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:50000/day' })
    const record = home.request(secret)
    await reserve(home, record, 900)
    record.calls[0]?.wrote('x'.repeat(500))
    for (let minutes = 0; minutes < 20; minutes++) {
      home.clock.advance(30_000)
      await home.ledger.sweep()
    }
    expect((await counters(home, 'a')).reserved).toBe(910)
    await end(home, record, 10, 800)
    expect(await counters(home, 'a')).toEqual({ spent: 810, reserved: 0, left: 49_190 })
  })
})
