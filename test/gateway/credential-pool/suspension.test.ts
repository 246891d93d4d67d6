import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import { busy, credentialOf, now, refused, setUp } from './support.ts'

const spent = new GatewayError('quota-exhausted', 'used up', { retryAfterMs: 3_600_000 })

describe('suspended', () => {
  test('until the time the upstream has named, and every refusal says what is left of it', async () => {
    const { clock, lease, pool } = setUp()
    const first = await lease()
    first.reportFailure('invalid-credential', spent, 3_600_000)
    clock.advance(600_000)
    await expect(lease()).rejects.toMatchObject({ kind: 'quota-exhausted', retryAfterMs: 3_000_000 })
    expect(pool.availabilityError()).toMatchObject({ kind: 'quota-exhausted', retryAfterMs: 3_000_000 })
    clock.advance(3_000_000)
    expect(pool.availabilityError()).toBeUndefined()
    expect(await credentialOf(lease())).toBe('a')
  })

  test.each([
    ['back', -600_000],
    ['forward', 600_000],
  ])('for as long as was named, though the date is set %s', async (_how, shift) => {
    const { clock, lease } = setUp()
    const first = await lease()
    first.reportFailure('invalid-credential', spent, 3_600_000)
    clock.setDate(clock.now() + shift)
    clock.advance(2_900_000)
    await expect(lease()).rejects.toMatchObject({ kind: 'quota-exhausted' })
    clock.advance(700_000)
    expect(await credentialOf(lease())).toBe('a')
  })

  test('until the date that was named where the machine slept over it', async () => {
    const { clock, lease } = setUp()
    const first = await lease()
    first.reportFailure('invalid-credential', spent, 3_600_000)
    clock.setDate(clock.now() + 3_600_000 - 1)
    expect(await now(lease())).toBe('quota_exhausted')
    clock.setDate(clock.now() + 1)
    expect(await credentialOf(lease())).toBe('a')
  })

  test('until that date where it slept far beyond it', async () => {
    const { clock, lease } = setUp()
    const first = await lease()
    first.reportFailure('invalid-credential', spent, 3_600_000)
    clock.setDate(clock.now() + 8 * 3_600_000)
    expect(await credentialOf(lease())).toBe('a')
  })

  test('for longer with every probe that fails, where no time is named', async () => {
    const { clock, lease, stateOf } = setUp()
    for (const minutes of [1, 2, 4, 8, 16, 30, 30]) {
      const probe = await lease()
      probe.reportFailure('invalid-credential', refused)
      expect(stateOf()).toMatchObject({ state: 'suspended', waitingMs: minutes * 60_000 })
      clock.advance(minutes * 60_000)
      expect(stateOf()?.state).toBe('half-open')
    }
  })

  test('while one call tries a suspended one again, others wait for what it finds', async () => {
    const { clock, lease } = setUp()
    const first = await lease()
    first.reportFailure('invalid-credential', refused)
    clock.advance(60_000)
    const probe = await lease()
    const other = lease()
    expect(await now(other)).toBe('waiting')
    probe.reportFailure('invalid-credential', refused)
    expect(await now(other)).toBe('upstream_auth')
  })

  test('a probe whose caller leaves is left to the next', async () => {
    const { clock, lease } = setUp()
    const first = await lease()
    first.reportFailure('invalid-credential', refused)
    clock.advance(60_000)
    const probe = await lease()
    probe.release()
    expect(await credentialOf(lease())).toBe('a')
  })

  test.each([
    ['for a shorter time', 60_000],
    ['without a time', undefined],
  ])('no sooner back for what a call of before is refused %s', async (_how, forMs) => {
    const { clock, lease, stateOf } = setUp()
    const [one, two] = [await lease(), await lease()]
    one.reportFailure('invalid-credential', spent, 3_600_000)
    clock.advance(1_000)
    two.reportFailure('invalid-credential', refused, forMs)
    expect(stateOf()).toMatchObject({ state: 'suspended', waitingMs: 3_599_000 })
  })

  test('later back where a call of before is told a longer time', async () => {
    const { lease, stateOf } = setUp()
    const [one, two] = [await lease(), await lease()]
    one.reportFailure('invalid-credential', refused)
    two.reportFailure('invalid-credential', spent, 3_600_000)
    expect(stateOf()).toMatchObject({ state: 'suspended', waitingMs: 3_600_000 })
  })

  test('no sooner than a rest that had begun would have been over', async () => {
    const { lease, pool, stateOf } = setUp()
    const [one, two, three] = [await lease(), await lease(), await lease()]
    one.release()
    two.reportFailure('account-concurrency-limited', busy)
    // The last one under way, and refused at once for the same reason.
    three.reportFailure('account-concurrency-limited', busy)
    expect(stateOf()).toMatchObject({ state: 'cooling', waitingMs: 10_000 })
    expect(pool.availabilityError()).toBeUndefined()
  })

  test('for one model only, where only that is refused', async () => {
    const { lease, stateOf } = setUp()
    const first = await lease()
    first.reportFailure('model-unavailable', refused)
    expect(await now(lease())).toBe('upstream_auth')
    expect(stateOf()).toMatchObject({ state: 'ready', withoutModels: ['glm-4.7'] })
    await lease({ model: 'glm-4.6' })
  })

  test('a call of before does not bring a suspended credential back', async () => {
    const { lease, pool } = setUp()
    const [one, two] = [await lease(), await lease()]
    one.reportFailure('invalid-credential', refused)
    two.reportSuccess()
    two.release()
    expect(pool.availabilityError()).toBe(refused)
  })

  test('of several, the one that says when it is over is told', async () => {
    const { lease } = setUp(['a', 'b'])
    const [one, two] = [await lease(), await lease()]
    one.reportFailure('invalid-credential', refused)
    two.reportFailure('invalid-credential', spent, 3_600_000)
    await expect(lease()).rejects.toMatchObject({ kind: 'quota-exhausted' })
  })
})
