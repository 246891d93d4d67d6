import { afterEach, describe, expect, test } from 'bun:test'
import { characterMeter } from '../support/bills.ts'
import { closeHouses, codeOf, end, file, house, reserve } from './spending.ts'
import { counters, exact, priced } from './support.ts'

afterEach(closeHouses)

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
