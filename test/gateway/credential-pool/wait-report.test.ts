import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import { busy, now, setUp } from './support.ts'

describe('a call that waits for three seconds is told of', () => {
  test('once, with its place, what holds it up and how long it will wait', async () => {
    const { clock, told, lease, turn } = setUp()
    const ticket = turn()
    const first = await ticket.lease()
    const second = await lease()
    first.reportFailure('concurrency-limited', busy)
    const [again, fresh] = [ticket.lease(), lease()]
    clock.advance(2_999)
    expect(told).toEqual([])
    clock.advance(1)
    expect(told).toEqual([
      { position: 1, because: 'rate_limited', leftMs: 117_000 },
      { position: 2, because: 'all credentials busy', leftMs: 117_000 },
    ])
    clock.advance(60_000)
    second.release()
    ;(await again).reportFailure('concurrency-limited', busy)
    void ticket.lease()
    clock.advance(5_000)
    expect(await now(fresh)).toBe('waiting')
    expect(told).toHaveLength(2)
  })

  test('all its waits together, and a rest is held against the refusal that began it', async () => {
    const { clock, told, lease, turn } = setUp(['a'])
    const ticket = turn()
    const [first, second] = [await ticket.lease(), await lease()]
    first.reportFailure('concurrency-limited', busy)
    const again = ticket.lease()
    clock.advance(2_000)
    second.release()
    ;(await again).reportFailure(
      'model-overloaded',
      new GatewayError('rate-limited', 'overloaded', { code: 'model_overloaded' }),
    )
    void ticket.lease().catch(() => {})
    void lease().catch(() => {})
    clock.advance(1_000)
    expect(told.map(({ position, because }) => [position, because])).toEqual([[1, 'model_overloaded']])
    clock.advance(2_000)
    expect(told.map(({ position, because }) => [position, because])).toEqual([
      [1, 'model_overloaded'],
      [2, 'model_overloaded'],
    ])
  })

  test('not when it is served or gives up before', async () => {
    const { clock, told, lease } = setUp(['a'], { queueMs: 2_000 }, () => 0, 1)
    const first = await lease()
    const second = lease()
    clock.advance(1_000)
    first.release()
    await second
    const third = lease()
    clock.advance(2_000)
    expect(await now(third)).toBe('queue_timeout')
    expect(told).toEqual([])
  })
})
