import { describe, expect, test } from 'bun:test'
import type { Lease } from '../../../src/core/credential-pool.ts'
import { busy, now, setUp } from './support.ts'

describe('the queue', () => {
  test('is first come, first served, and a refused call keeps its place', async () => {
    const { lease, turn } = setUp()
    const ticket = turn()
    const refusedOne = await ticket.lease()
    const [other] = [await lease()]
    refusedOne.reportFailure('concurrency-limited', busy)
    const late = lease()
    const again = ticket.lease()
    expect(await now(late)).toBe('waiting')
    other.release()
    const next = await again
    expect(await now(late)).toBe('waiting')
    next.release()
    await late
  })

  test('is one for all models', async () => {
    const { lease } = setUp(['a'], {}, () => 0, 1)
    const first = await lease()
    const line = ['glm-4.6', 'glm-4.7', 'glm-4.6'].map((model) => lease({ model }))
    first.release()
    const held: (Lease<string> | string)[] = []
    for (const waiting of line) {
      held.push(await now(waiting))
      expect(await Promise.all(line.slice(held.length).map((later) => now(later)))).not.toContainEqual(
        expect.any(Object),
      )
      const lease = held.at(-1)
      if (typeof lease === 'object') lease.release()
    }
    expect(held).not.toContain('waiting')
  })

  test('has nobody in it where no time is given', async () => {
    const { lease, turn } = setUp(['a'], { queueMs: 0 }, () => 0, 2)
    const ticket = turn()
    const [first] = [await ticket.lease(), await lease()]
    expect(await now(lease())).toBe('queue_timeout')
    first.reportFailure('concurrency-limited', busy)
    expect(await now(ticket.lease())).toBe('rate_limited')
  })

  test('turns away at once when too many wait, but nobody who was in before', async () => {
    const { lease, turn } = setUp(['a'], { queueLimit: 1 })
    const ticket = turn()
    const inside = await ticket.lease()
    const other = await lease()
    inside.reportFailure('concurrency-limited', busy)
    const waiting = lease()
    expect(await now(lease())).toBe('queue_full')
    const back = ticket.lease()
    expect(await now(back)).toBe('waiting')
    expect(await now(waiting)).toBe('waiting')
    other.release()
    expect((await back).credential).toBe('a')
  })

  test('a wait that takes too long is told: as the last refusal where there was one', async () => {
    const { clock, lease, turn } = setUp()
    const ticket = turn()
    const first = await ticket.lease()
    const other = await lease()
    first.reportFailure('concurrency-limited', busy)
    const [again, fresh] = [ticket.lease(), lease()]
    clock.advance(119_999)
    expect(await now(fresh)).toBe('waiting')
    clock.advance(1)
    expect([await now(again), await now(fresh)]).toEqual(['rate_limited', 'queue_timeout'])
    other.release()
    expect(clock.pending()).toBe(0)
  })

  test('is left at once by a client that leaves', async () => {
    const { clock, lease, pool, turn } = setUp()
    const ticket = turn()
    const first = await ticket.lease()
    first.reportFailure('concurrency-limited', busy)
    const leaving = new AbortController()
    const waiting = lease({ signal: leaving.signal })
    clock.advance(2_000)
    expect(pool.snapshot().queue).toEqual({ length: 1, oldestMs: 2_000 })
    leaving.abort()
    expect(await now(waiting)).toBe('cancelled')
    expect(pool.snapshot().queue).toEqual({ length: 0, oldestMs: 0 })
    expect(await now(lease({ signal: leaving.signal }))).toBe('cancelled')
  })

  test('the log hears of waits of a second and more', async () => {
    const { clock, notes, turn } = setUp()
    const ticket = turn()
    const first = await ticket.lease()
    first.reportFailure('concurrency-limited', busy)
    const again = ticket.lease()
    clock.advance(10_000)
    await again
    expect(notes).toEqual(['waited 10 s for key 1'])
  })
})
