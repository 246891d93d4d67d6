import { expect, test } from 'bun:test'
import type { Lease } from '../../../src/core/credential-pool.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { QueueLimits } from '../../../src/gateway/credential-pool/index.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'

interface Asking {
  isBackground?: boolean
  at?: (place: () => { n: number; of: number }) => void
}

/** One key that serves one call at a time, and the order in which calls were served. */
function setUp(limits?: QueueLimits) {
  const { pool } = lending<string>(manualClock(), limits, 1)
  pool.setMembers([{ id: 'key 1', secret: 'a', rank: 0, create: () => 'a' }])
  const served: string[] = []
  const ask = async (name: string, caller: string, { isBackground, at }: Asking = {}): Promise<Lease<string>> => {
    const lease = await pool
      .ticket({
        ...{ model: 'glm-5', caller, isBackground, accepts: () => true, signal: new AbortController().signal },
        ...{ noneAccepts: () => new GatewayError('upstream-auth', 'no key'), annotate: () => {}, onWait: at },
      })
      .lease()
    served.push(name)
    return lease
  }
  return { ask, served }
}

const background = { isBackground: true }

test('calls in the background are served once no other waits, callers in turn', async () => {
  const { ask, served } = setUp()
  const first = await ask('first', 'alice')
  const waiting = [
    ask('batch of alice 1', 'alice', background),
    ask('batch of alice 2', 'alice', background),
    ask('batch of bob', 'bob', background),
    ask('alice', 'alice'),
    ask('bob 1', 'bob'),
    ask('bob 2', 'bob'),
  ]
  const ended = waiting.map((asked) => asked.then((lease) => lease.release()))
  first.release()
  await Promise.all(ended)
  expect(served).toEqual(['first', 'alice', 'bob 1', 'bob 2', 'batch of alice 1', 'batch of bob', 'batch of alice 2'])
})

test('the place in the line counts whoever is served before', async () => {
  const { ask } = setUp()
  await ask('first', 'alice')
  const places = new Map<string, () => { n: number; of: number }>()
  const noting = (name: string) => ({ at: (place: () => { n: number; of: number }) => void places.set(name, place) })
  void ask('batch', 'alice', { ...background, ...noting('batch') })
  void ask('alice 1', 'alice', noting('alice 1'))
  void ask('alice 2', 'alice', noting('alice 2'))
  await Promise.resolve()
  expect([...places].map(([name, place]) => [name, place().n])).toEqual([
    ['batch', 3],
    ['alice 1', 1],
    ['alice 2', 2],
  ])
})

test('a full queue admits none of them', async () => {
  const { ask } = setUp({ queueLimit: 1, queueMs: 60_000 })
  await ask('first', 'alice')
  void ask('alice', 'alice')
  expect(await ask('batch', 'bob', background).catch((error: GatewayError) => error.code)).toBe('queue_full')
})
