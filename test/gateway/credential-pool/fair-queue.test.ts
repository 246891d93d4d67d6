import { describe, expect, test } from 'bun:test'
import type { Lease } from '../../../src/core/credential-pool.ts'
import { busy, now, setUp } from './support.ts'

describe('callers', () => {
  /** Who is served next, each of them done at once. */
  async function order(first: Lease<string>, waiting: Record<string, Promise<Lease<string>>[]>): Promise<string[]> {
    const served: string[] = []
    for (const [caller, calls] of Object.entries(waiting))
      calls.forEach((call, index) => {
        call.then((lease) => {
          served.push(`${caller} ${index + 1}`)
          lease.release()
        })
      })
    first.release()
    await Promise.all(Object.values(waiting).flat())
    return served
  }

  test('take turns, however many calls one of them has waiting', async () => {
    const { lease } = setUp(['a'], {}, () => 0, 1)
    const first = await lease()
    const alice = Array.from({ length: 50 }, () => lease({ caller: 'alice' }))
    const bob = [lease({ caller: 'bob' }), lease({ caller: 'bob' })]
    const carol = [lease({ caller: 'carol' })]
    const served = await order(first, { alice, bob, carol })
    expect(served.slice(0, 6)).toEqual(['alice 1', 'bob 1', 'carol 1', 'alice 2', 'bob 2', 'alice 3'])
    expect(served).toHaveLength(53)
  })

  test('take turns over all models, of which each has its own place', async () => {
    const { lease } = setUp(['a'], {}, () => 0, 1)
    const first = await lease()
    const alice = ['glm-4.7', 'glm-4.6', 'glm-4.7'].map((model) => lease({ caller: 'alice', model }))
    const bob = ['glm-4.6', 'glm-4.7'].map((model) => lease({ caller: 'bob', model }))
    expect(await order(first, { alice, bob })).toEqual(['alice 1', 'bob 1', 'alice 2', 'bob 2', 'alice 3'])
  })

  test('take turns where each waits for another model', async () => {
    const { lease } = setUp(['a'], {}, () => 0, 1)
    const first = await lease()
    const alice = Array.from({ length: 3 }, () => lease({ caller: 'alice', model: 'glm-4.6' }))
    const bob = Array.from({ length: 2 }, () => lease({ caller: 'bob', model: 'glm-4.7' }))
    expect(await order(first, { alice, bob })).toEqual(['alice 1', 'bob 1', 'alice 2', 'bob 2', 'alice 3'])
  })

  test('do not wait for a model that another one waits for', async () => {
    const { lease } = setUp(['a'], {}, () => 0, Number.POSITIVE_INFINITY)
    const [held, refusedOne] = [await lease({ caller: 'alice' }), await lease({ caller: 'alice' })]
    refusedOne.reportFailure('concurrency-limited', busy)
    const alice = lease({ caller: 'alice' })
    await lease({ caller: 'bob', model: 'glm-4.6' })
    expect(await now(alice)).toBe('waiting')
    held.release()
    await alice
  })

  test('do not lose their turn to a refusal, and a refused call keeps its place among theirs', async () => {
    const { lease, turn } = setUp(['a'], {}, () => 0, 2)
    const [one, two] = [await lease(), await lease()]
    const ticket = turn({ caller: 'alice' })
    const [first, second] = [ticket.lease(), lease({ caller: 'alice' })]
    const bob = lease({ caller: 'bob' })
    one.release()
    const refusedOne = await first
    refusedOne.reportFailure('concurrency-limited', busy)
    const again = ticket.lease()
    expect(await Promise.all([again, second, bob].map((call) => now(call)))).toEqual(['waiting', 'waiting', 'waiting'])
    two.release()
    const served = await again
    expect(await now(bob)).toBe('waiting')
    served.release()
    const other = await bob
    expect(await now(second)).toBe('waiting')
    other.release()
    await second
  })

  test('find room in a full queue as long as they have less than their share of it', async () => {
    const { lease } = setUp(['a'], { queueLimit: 4 }, () => 0, 1)
    await lease()
    const come = async (caller: string, calls: number) => {
      const waiting = Array.from({ length: calls }, () => lease({ caller }))
      return Promise.all(waiting.map((call) => now(call)))
    }
    expect(await come('alice', 5)).toEqual(['waiting', 'waiting', 'waiting', 'waiting', 'queue_full'])
    expect(await come('bob', 3)).toEqual(['waiting', 'waiting', 'queue_full'])
    expect(await come('carol', 3)).toEqual(['waiting', 'waiting', 'queue_full'])
    expect(await come('alice', 1)).toEqual(['queue_full'])
  })

  test('count as one that waits for as long as they do: a client that leaves once it is served gives no second place back', async () => {
    const { lease } = setUp(['a'], { queueLimit: 1 }, () => 0, 1)
    const running = await lease()
    const leaving = new AbortController()
    const served = lease({ signal: leaving.signal })
    running.release()
    await served
    const waiting = lease()
    expect(await now(waiting)).toBe('waiting')
    leaving.abort()
    expect(await now(lease())).toBe('queue_full')
  })

  test('are told their place as they will be served', async () => {
    const { clock, told, lease } = setUp(['a'], {}, () => 0, 1)
    await lease()
    for (const caller of ['alice', 'alice', 'alice', 'bob', 'bob', 'carol']) void lease({ caller })
    clock.advance(3_000)
    expect(told.map(({ position }) => position)).toEqual([1, 4, 6, 2, 5, 3])
  })
})
