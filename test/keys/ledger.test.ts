import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '../../src/core/errors.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { characterMeter } from '../support/bills.ts'
import { manualClock } from '../support/clock.ts'
import { counters, exact, type House, keyHouse, priced } from './support.ts'

const houses: House[] = []
const folders: string[] = []
afterEach(async () => {
  for (const house of houses.splice(0)) await house.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

async function house(options: { path?: string } = {}): Promise<House> {
  const made = await keyHouse({ clock: manualClock(), ...options })
  houses.push(made)
  return made
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-keys-'))
  folders.push(folder)
  return join(folder, 'keys.sqlite')
}

/** Reserves for a call with a prompt of 10 tokens. */
async function reserve({ ledger }: House, record: RequestRecord, maxTokens: number | undefined, prompt = 10) {
  const spending = ledger.spendingOf(record)
  if (spending === undefined) throw new Error('no budget')
  const meter = characterMeter()
  record.calls.push(meter)
  return await spending.reserve({
    model: priced,
    prompt: { most: prompt, likely: prompt },
    maxTokens,
    longestReply: exact,
    meter,
  })
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'granted',
    (thrown) => (thrown instanceof GatewayError ? `${thrown.status} ${thrown.code}` : String(thrown)),
  )
}

/** The request ends, and its last call has cost what its upstream says. */
async function end(home: House, record: RequestRecord, inputTokens: number, outputTokens: number, cached = 0) {
  const usage = { inputTokens, outputTokens, ...(cached > 0 ? { cachedInputTokens: cached } : {}) }
  record.calls.at(-1)?.reported(usage)
  await home.ledger.settle(record)
}

describe('a budget', () => {
  test('for 50 calls lets 50 of 200 through that come together', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const records = Array.from({ length: 200 }, () => home.request(secret))
    const codes = await Promise.all(records.map((record) => codeOf(reserve(home, record, 10))))
    expect(codes.filter((code) => code === 'granted')).toHaveLength(50)
    expect(codes.filter((code) => code === '429 budget_reserved')).toHaveLength(150)
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 1000, left: 0 })
    await Promise.all(records.map((record, at) => (codes[at] === 'granted' ? end(home, record, 10, 10) : undefined)))
    expect(await counters(home, 'a')).toEqual({ spent: 1000, reserved: 0, left: 0 })
    expect(await codeOf(reserve(home, home.request(secret), 10))).toBe('402 budget_used_up')
  })

  test('is never passed by two processes either', async () => {
    const path = file()
    const home = await house({ path })
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const children = [1, 2].map(() =>
      Bun.spawn([process.execPath, 'test/keys/reserving.ts', path, secret], { stdout: 'pipe', stderr: 'inherit' }),
    )
    const granted = await Promise.all(children.map(async ({ stdout }) => Number(await new Response(stdout).text())))
    expect((granted[0] ?? 0) + (granted[1] ?? 0)).toBe(50)
    expect((await counters(home, 'a')).reserved).toBe(1000)
  })

  test('counts no more than whole numbers can, whatever an upstream says', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'usd:1/day' })
    const record = home.request(secret)
    await reserve(home, record, 10)
    await end(home, record, 9e15, 9e15)
    expect(await counters(home, 'a')).toEqual({ spent: Number.MAX_SAFE_INTEGER / 1e9, reserved: 0, left: 0 })
    expect(await codeOf(reserve(home, home.request(secret), 10))).toBe('402 budget_used_up')
  })

  test('cuts a reply to what it can still pay', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:900/day' })
    const record = home.request(secret)
    expect((await reserve(home, record, undefined)).maxTokens).toBe(890)
    await end(home, record, 10, 100)
    const other = home.request(secret)
    expect((await reserve(home, other, 100)).maxTokens).toBe(100)
    expect((await counters(home, 'a')).reserved).toBe(110)
  })

  test('pays for the longest reply of the model where the request has no limit', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:5000/day' })
    expect((await reserve(home, home.request(secret), undefined)).maxTokens).toBeUndefined()
    expect((await counters(home, 'a')).reserved).toBe(1010)
  })

  test('in dollars counts cached prompts for less, and all budgets of a key count', async () => {
    const home = await house()
    const budget = 'usd:1/month,tokens:1m/day'
    const { secret } = await home.keys.create({ name: 'a', models: 'priced', budget })
    const record = home.request(secret)
    await reserve(home, record, 1000, 1000)
    await end(home, record, 1000, 500, 600)
    const { budgets } = await home.keys.show('a')
    // 400 at $1, 600 at $0.50 and 500 at $2 a million.
    expect(budgets.map(({ unit, spent, reserved }) => [unit, spent, reserved])).toEqual([
      ['tokens', 1500, 0],
      ['usd', 0.0017, 0],
    ])
  })

  test('in credits counts by the hour in which the request was admitted', async () => {
    const home = await house()
    // A Monday, one minute before the peak of Z.AI's plan ends: 18 h in UTC+8.
    home.clock.setDate(Date.parse('2026-11-30T09:59:00Z'))
    const { secret } = await home.keys.create({ name: 'a', models: 'priced', budget: 'credits:500/5h' })
    const [peak, later] = [home.request(secret), home.request(secret)]
    await reserve(home, peak, 1000, 1000)
    home.clock.advance(120_000)
    await reserve(home, later, 1000, 1000)
    await end(home, peak, 1000, 500)
    expect((await counters(home, 'a')).spent).toBe(0.6 + 1)
    await end(home, later, 1000, 500)
    expect((await counters(home, 'a')).spent).toBeCloseTo(1.5 * (0.6 + 1), 9)
  })

  test('says when it is used up how much it was and when it resets', async () => {
    const home = await house()
    home.clock.setDate(Date.parse('2026-11-30T12:00:00Z'))
    const { secret } = await home.keys.create({ name: 'a', models: 'priced', budget: 'usd:0.001/month' })
    const record = home.request(secret)
    await reserve(home, record, 300)
    await end(home, record, 300, 350)
    const refused = await reserve(home, home.request(secret), 300).catch((thrown) => thrown)
    expect(refused).toMatchObject({
      message: 'The budget of this key is used up: $0.001 a month. It resets at 2026-12-01T00:00:00.000Z.',
      ...{ status: 402, retry: false, retryAfterMs: 12 * 3_600_000 },
    })
  })

  test('that resets by nothing says so', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:100/total' })
    const refused = await reserve(home, home.request(secret), 300).catch((thrown) => thrown)
    expect(refused.message).toContain('what is left, 100 tokens of 100 tokens in total, does not pay')
    expect(refused.message).toContain('It does not reset by itself')
    expect(refused.retryAfterMs).toBeUndefined()
  })
})

describe('a request belongs to the window it was admitted in:', () => {
  test('what it costs after midnight is not of the new day', async () => {
    const home = await house()
    home.clock.setDate(Date.parse('2026-11-30T23:59:59Z'))
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const [late, lost] = [home.request(secret), home.request(secret)]
    await reserve(home, late, 400)
    await reserve(home, lost, 400)
    home.clock.advance(2_000)
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 0, left: 1000 })
    const next = home.request(secret)
    await reserve(home, next, 900)
    await end(home, late, 10, 400)
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 910, left: 90 })
    await end(home, next, 10, 100)
    await end(home, lost, 10, 400)
    expect(await counters(home, 'a')).toEqual({ spent: 110, reserved: 0, left: 890 })
  })

  test('so do all of its calls', async () => {
    const home = await house()
    home.clock.setDate(Date.parse('2026-11-30T23:59:59Z'))
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const record = home.request(secret)
    const { settle } = await reserve(home, record, 300)
    record.calls[0]?.reported({ inputTokens: 10, outputTokens: 40 })
    await settle()
    home.clock.advance(2_000)
    await reserve(home, record, 300)
    await end(home, record, 10, 40)
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 0, left: 1000 })
    home.clock.setDate(Date.parse('2026-11-30T23:59:59Z'))
    expect(await counters(home, 'a')).toEqual({ spent: 100, reserved: 0, left: 900 })
  })

  test('a clock that is set back opens no window again', async () => {
    const home = await house()
    home.clock.setDate(Date.parse('2026-12-01T00:00:01Z'))
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/day' })
    const first = home.request(secret)
    await reserve(home, first, 900)
    await end(home, first, 10, 900)
    home.clock.setDate(Date.parse('2026-11-30T23:00:00Z'))
    expect(await codeOf(reserve(home, home.request(secret), 300))).toBe('402 budget_used_up')
    expect((await keyOf(home)).budgets[0]).toMatchObject({ spent: 910, resets_at: Date.parse('2026-12-02T00:00:00Z') })
    // Whoever finds that the clock was wrong resets the budget.
    await home.keys.reset('a')
    expect((await keyOf(home)).budgets[0]).toMatchObject({ spent: 0, resets_at: Date.parse('2026-12-01T00:00:00Z') })
    expect(await codeOf(reserve(home, home.request(secret), 300))).toBe('granted')
  })

  test('hours begin with the first request', async () => {
    const home = await house()
    home.clock.setDate(Date.parse('2026-11-30T12:08:00Z'))
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/5h' })
    expect((await keyOf(home)).budgets[0]).not.toHaveProperty('resets_at')
    home.clock.advance(60_000)
    const first = home.request(secret)
    await reserve(home, first, 900)
    await end(home, first, 10, 900)
    const resetsAt = Date.parse('2026-11-30T17:09:00Z')
    expect((await keyOf(home)).budgets[0]).toMatchObject({ spent: 910, resets_at: resetsAt })
    home.clock.setDate(resetsAt - 1)
    expect(await codeOf(reserve(home, home.request(secret), 300))).toBe('402 budget_used_up')
    home.clock.setDate(resetsAt)
    expect(await codeOf(reserve(home, home.request(secret), 300))).toBe('granted')
  })
})

async function keyOf(home: House) {
  return await home.keys.show('a')
}

describe('while a request runs,', () => {
  test('a reset does not count it', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    await reserve(home, record, 900)
    expect(await keyOf(home).then(({ budgets }) => budgets[0]?.reserved)).toBe(910)
    await home.keys.reset('a')
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 0, left: 1000 })
    await end(home, record, 10, 900)
    expect(await counters(home, 'a')).toEqual({ spent: 0, reserved: 0, left: 1000 })
  })

  test('its key may be disabled, and what it has cost counts', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    await reserve(home, record, 900)
    await home.keys.change('a', { disabled: true })
    expect(() => home.request(secret)).toThrow('This key is disabled')
    await end(home, record, 10, 20)
    expect(await counters(home, 'a')).toEqual({ spent: 30, reserved: 0, left: 970 })
  })

  test('its key may be deleted', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    await reserve(home, record, 900)
    await home.keys.delete('a')
    await end(home, record, 10, 20)
    expect(await home.store.budgets()).toEqual([])
    expect(await home.db`SELECT * FROM reservations`).toEqual([])
    expect(home.warnings).toEqual([])
  })

  test('its limit may change, and what was spent stays', async () => {
    const home = await house()
    const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:1000/total' })
    const record = home.request(secret)
    await reserve(home, record, 900)
    await home.keys.change('a', { budget: 'tokens:500/total' })
    await end(home, record, 10, 900)
    expect(await counters(home, 'a')).toEqual({ spent: 910, reserved: 0, left: 0 })
    expect(await codeOf(reserve(home, home.request(secret), 1))).toBe('402 budget_used_up')
    await home.keys.change('a', { budget: 'tokens:2000/total' })
    expect(await codeOf(reserve(home, home.request(secret), 300))).toBe('granted')
  })
})

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

test('a model without a price is refused where dollars are counted, and others are named', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a', models: 'priced,glm-5.3,unheard-of*', budget: 'usd:1/day' })
  const spending = home.ledger.spendingOf(home.request(secret))
  const unpriced = { ...priced, id: 'unheard-of' }
  const refused = spending?.reserve({
    model: unpriced,
    prompt: { most: 1, likely: 1 },
    maxTokens: 1,
    longestReply: exact,
    meter: characterMeter(),
  })
  expect(await codeOf(refused ?? Promise.resolve())).toBe('403 price_unknown')
  await refused?.catch(({ message }) =>
    expect(message).toBe(
      'The price of unheard-of is not known here, and this key has a budget in US dollars. Known are those of GLM-5.3, priced. Whoever runs this gateway can set it in [[models]] of zai2api.toml.',
    ),
  )
})

test('without its database nothing is spent', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a', budget: 'tokens:100/total' })
  const record = home.request(secret)
  await home.db`DROP TABLE budgets`
  expect(await codeOf(reserve(home, record, 10))).toBe('503 budget_unavailable')
})

test('a key without budgets asks nothing of the database', async () => {
  const home = await house()
  const { secret } = await home.keys.create({ name: 'a', rpm: 5 })
  expect(home.ledger.spendingOf(home.request(secret))).toBeUndefined()
})
