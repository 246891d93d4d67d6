import { describe, expect, test } from 'bun:test'
import type { Clock } from '../../../src/core/clock.ts'
import type { Lease } from '../../../src/core/credential-pool.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'
import { now, refused } from './support.ts'

describe('the cost', () => {
  /** Counts what grows with the number of those who wait: questions to a call, and timers. */
  function counted(startLimit: number) {
    const clock = manualClock()
    const count = { fits: 0, timers: 0 }
    const watched: Clock = {
      ...clock,
      after(ms, run) {
        count.timers++
        return clock.after(ms, run)
      },
    }
    const { pool } = lending<string>(watched, { queueLimit: 5_000, queueMs: 120_000 }, startLimit)
    pool.setMembers([{ id: 'key 1', secret: 'a', rank: 0, create: () => 'a' }])
    const accepts = () => ++count.fits > 0
    const come = (signal = new AbortController().signal, caller = 'alice') =>
      pool.ticket({ model: 'glm-4.7', caller, accepts, signal, noneAccepts: () => refused, annotate: () => {} }).lease()
    const cost = async (act: () => Promise<unknown>) => {
      Object.assign(count, { fits: 0, timers: 0 })
      await act()
      return { ...count }
    }
    return { come, cost, pool }
  }

  test('of a call that finds a free seat is one look at it, and no timer', async () => {
    const { come, cost } = counted(8)
    expect(
      await cost(async () => {
        const lease = await come()
        lease.reportSuccess()
        lease.release()
      }),
    ).toEqual({ fits: 1, timers: 0 })
  })

  test.each([1, 200])('of a call does not depend on how many callers wait: %i', async (callers) => {
    const { come, cost, pool } = counted(1)
    let held = await come()
    const served: Lease<string>[] = []
    for (let call = 0; call < 2_000; call++)
      void come(undefined, `caller ${call % callers}`).then((lease) => served.push(lease))
    for (let round = 0; round < 5; round++) {
      expect(await cost(async () => held.release())).toEqual({ fits: 2, timers: 0 })
      held = served[round] ?? held
    }
    expect(pool.snapshot().queue.length).toBe(1_995)
  })

  test.each([20, 2_000])('of a call that comes or goes does not depend on how many wait: %i', async (waiting) => {
    const { come, cost, pool } = counted(1)
    const first = await come()
    const line: Promise<Lease<string>>[] = []
    const all = await cost(async () => {
      while (line.length < waiting) line.push(come())
    })
    expect(all.timers).toBe(1)
    expect(all.fits / waiting).toBeLessThanOrEqual(3)
    const leaving = new AbortController()
    const left = await cost(async () => {
      const other = come(leaving.signal)
      leaving.abort()
      expect(await now(other)).toBe('cancelled')
    })
    expect(left).toEqual({ fits: 3, timers: 0 })
    expect(await cost(async () => first.reportSuccess())).toEqual({ fits: 2, timers: 0 })
    expect(pool.snapshot().queue.length).toBe(waiting - 1) // its success had one more tried
    expect(await cost(async () => first.release())).toEqual({ fits: 2, timers: 0 })
    expect(pool.snapshot().queue.length).toBe(waiting - 2)
  })
})
