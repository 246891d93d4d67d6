import { describe, expect, test } from 'bun:test'
import { poolGauges } from '../../../src/core/credential-pool.ts'
import { busy, credentialOf, now, setUp } from './support.ts'

describe('the limit', () => {
  test('is what the pool starts with, be it none', async () => {
    const { lease, pool, stateOf } = setUp(['a'], {}, () => 0, Number.POSITIVE_INFINITY)
    const leases = await Promise.all(Array.from({ length: 500 }, () => lease()))
    expect(stateOf()).toMatchObject({ inFlight: 500, limit: Number.POSITIVE_INFINITY })
    expect(poolGauges(pool.snapshot())).not.toHaveProperty('limit')
    leases[0]?.reportSuccess()
    leases[1]?.reportFailure('concurrency-limited', busy)
    expect(stateOf()).toMatchObject({ inFlight: 499, limit: Number.POSITIVE_INFINITY, limits: { 'glm-4.7': 499 } })
    expect(poolGauges(pool.snapshot())).toMatchObject({ limit: 499 })
  })

  test('grows with every answer while nothing was refused', async () => {
    const { lease, stateOf } = setUp()
    const leases = await Promise.all(Array.from({ length: 8 }, () => lease()))
    const ninth = lease()
    expect(await now(ninth)).toBe('waiting')
    leases[0]?.reportSuccess()
    await ninth
    expect(stateOf()).toMatchObject({ inFlight: 9, limit: 9, state: 'ready' })
  })

  test('is what was not refused, and is probed again a minute later', async () => {
    const { clock, lease, stateOf } = setUp()
    const [one, two, three] = [await lease(), await lease(), await lease()]
    three.reportFailure('concurrency-limited', busy)
    expect(stateOf()).toMatchObject({ inFlight: 2, limit: 8, limits: { 'glm-4.7': 2 }, state: 'ready' })
    one.reportSuccess()
    expect(stateOf()?.limits).toEqual({ 'glm-4.7': 2 })
    clock.advance(60_000)
    two.reportSuccess()
    expect(stateOf()?.limits).toEqual({ 'glm-4.7': 3 })
  })

  test('never falls below one; what is refused alone rests, twice as long each time, a minute at most', async () => {
    const { clock, lease, stateOf } = setUp()
    for (const seconds of [10, 20, 40, 60, 60]) {
      const alone = await lease()
      alone.reportFailure('concurrency-limited', busy)
      const coolingModels = { 'glm-4.7': seconds * 1000 }
      expect(stateOf()).toMatchObject({ limits: { 'glm-4.7': 1 }, state: 'ready', coolingModels })
      clock.advance(seconds * 1000)
    }
    const works = await lease()
    works.reportSuccess()
    expect(stateOf()).toMatchObject({ state: 'ready', coolingModels: {} })
  })

  test('of a whole account that is refused alone has all its models rest', async () => {
    const { clock, lease, stateOf } = setUp()
    const alone = await lease()
    alone.reportFailure('account-concurrency-limited', busy)
    expect(stateOf()).toMatchObject({ limit: 1, limits: {}, state: 'cooling', waitingMs: 10_000 })
    const other = lease({ model: 'glm-4.6' })
    expect(await now(other)).toBe('waiting')
    clock.advance(10_000)
    const probe = await other
    probe.reportSuccess()
    expect(stateOf()?.state).toBe('ready')
    expect(await now(lease())).toBe('waiting') // one at a time, whatever the model
  })

  test('is learned for each model: what one is refused says nothing about another', async () => {
    const { lease, stateOf } = setUp(['a'], {}, () => 0, Number.POSITIVE_INFINITY)
    const many = await Promise.all(Array.from({ length: 3 }, () => lease()))
    const other = await lease({ model: 'glm-4.6' })
    many[2]?.reportFailure('concurrency-limited', busy)
    expect(stateOf()?.limits).toEqual({ 'glm-4.7': 2 })
    const waiting = lease()
    expect(await now(waiting)).toBe('waiting')
    const others = await Promise.all(Array.from({ length: 5 }, () => lease({ model: 'glm-4.6' })))
    // It was refused alone, though other models are under way.
    const lone = await lease({ model: 'glm-5' })
    lone.reportFailure('concurrency-limited', busy)
    expect(stateOf()).toMatchObject({ inFlight: 8, state: 'ready', coolingModels: { 'glm-5': 10_000 } })
    expect(await now(lease({ model: 'glm-5' }))).toBe('waiting')
    for (const one of [other, ...others]) one.release()
    expect(await now(waiting)).toBe('waiting')
    many[0]?.release()
    await waiting
  })

  test('of the account and of the model hold together', async () => {
    const { lease, stateOf } = setUp(['a'], {}, () => 0, 3)
    const [one, two] = [await lease(), await lease()]
    two.reportFailure('concurrency-limited', busy)
    await lease({ model: 'glm-4.6' })
    await lease({ model: 'glm-4.6' })
    expect(stateOf()).toMatchObject({ inFlight: 3, limit: 3, limits: { 'glm-4.7': 1 } })
    const [waiting, other] = [lease(), lease({ model: 'glm-5' })]
    one.release()
    await waiting
    expect(await now(other)).toBe('waiting')
  })

  test('goes to the key with the fewest calls of the model', async () => {
    const { lease } = setUp(['a', 'b'])
    expect(await credentialOf(lease())).toBe('a')
    expect(await credentialOf(lease({ model: 'glm-4.6' }))).toBe('b')
    expect(await credentialOf(lease({ model: 'glm-4.6' }))).toBe('a')
    expect(await credentialOf(lease())).toBe('b')
  })

  test('is remembered of a hundred models at most', async () => {
    const { clock, lease, stateOf } = setUp()
    for (let number = 0; number < 250; number++) {
      const made = await lease({ model: `glm-${number}` })
      made.reportFailure(number % 2 ? 'concurrency-limited' : 'model-unavailable', busy)
      clock.advance(1)
    }
    const { limits = {}, coolingModels = {}, withoutModels = [] } = stateOf() ?? {}
    expect(Object.keys(limits).length).toBeLessThanOrEqual(100)
    expect(Object.keys(coolingModels).length + withoutModels.length).toBeLessThanOrEqual(100)
    expect(coolingModels).toHaveProperty(['glm-249'])
  })

  test('chance draws the rests out, by half at most', async () => {
    const { lease, stateOf } = setUp(['a'], {}, () => 1)
    const alone = await lease()
    alone.reportFailure('concurrency-limited', busy)
    expect(stateOf()?.coolingModels).toEqual({ 'glm-4.7': 15_000 })
  })

  test('after a rest one call finds out, and the others wait for it', async () => {
    const { clock, lease, stateOf } = setUp(['a'])
    const some = await Promise.all(Array.from({ length: 3 }, () => lease()))
    for (const one of some) one.reportFailure('model-overloaded', busy)
    const [first, second] = [lease(), lease()]
    clock.advance(10_000)
    const probe = await first
    expect(await now(second)).toBe('waiting')
    probe.reportSuccess()
    expect(await now(second)).toBe('waiting') // one at a time, as it has learned
    probe.release()
    await second
    expect(stateOf()?.inFlight).toBe(1)
  })
})
