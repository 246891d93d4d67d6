import { afterEach, describe, expect, test } from 'bun:test'
import { closeHouses, codeOf, end, house, reserve } from './spending.ts'
import { counters, type House } from './support.ts'

afterEach(closeHouses)

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
