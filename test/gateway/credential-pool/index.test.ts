import { describe, expect, test } from 'bun:test'
import { poolGauges } from '../../../src/core/credential-pool.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { busy, credentialOf, now, refused, setUp } from './support.ts'

describe('whose turn it is', () => {
  test('credentials take turns, and the one with fewer calls under way goes first', async () => {
    const { lease } = setUp(['a', 'b'])
    const first = await lease()
    expect(first.credential).toBe('a')
    expect(await credentialOf(lease())).toBe('b')
    expect(await credentialOf(lease())).toBe('a')
    first.release()
    expect(await credentialOf(lease())).toBe('b')
  })

  test('the lowest rank serves while it is not suspended, however busy it is', async () => {
    const { clock, pool, lease } = setUp()
    pool.setMembers([
      { id: 'mine', secret: 'mine', rank: 0, create: () => 'mine' },
      { id: 'guest', secret: 'guest', rank: 1, create: () => 'guest' },
    ])
    const first = await lease()
    first.reportFailure('concurrency-limited', busy)
    const waiting = lease()
    expect(await now(waiting)).toBe('waiting')
    clock.advance(10_000)
    const second = await waiting
    expect(second.credential).toBe('mine')
    second.reportFailure('invalid-credential', refused)
    expect(await credentialOf(lease())).toBe('guest')
  })

  test('nobody who fits is told in the words of the upstream', async () => {
    const { lease } = setUp(['a'])
    expect(await now(lease({ accepts: () => false }))).toBe('no_api_key')
    expect(await now(setUp([]).lease())).toBe('no_api_key')
  })
})

test('a closed pool sends away who waits and who comes, at once; who holds a credential keeps it', async () => {
  const { clock, lease, pool, stateOf } = setUp()
  const stopping = new GatewayError('overloaded', 'Stopping.', { retryAfterMs: 5_000 })
  const held = await lease()
  held.reportFailure('concurrency-limited', busy)
  const waiting = [lease(), lease()]
  pool.close(stopping)
  for (const one of [...waiting, lease()]) await expect(one).rejects.toBe(stopping)
  expect(clock.pending()).toBe(0)
  held.release()
  expect(stateOf()?.inFlight).toBe(0)
})

describe('a change of the members', () => {
  test('keeps what is lent and learned of those who stay, and has suspended ones tried again', async () => {
    const { lease, members, pool } = setUp(['a', 'b'])
    const [one, two] = [await lease(), await lease()]
    two.reportFailure('invalid-credential', refused)
    expect(pool.setMembers(members(['c', 'b', 'a']))).toEqual(['c', 'b', 'a'])
    expect(pool.snapshot().credentials.map(({ id, state, inFlight }) => [id, state, inFlight])).toEqual([
      ['key 1', 'ready', 0],
      ['key 2', 'half-open', 0],
      ['key 3', 'ready', 1],
    ])
    pool.setMembers(members(['c']))
    one.release()
    expect(await credentialOf(lease())).toBe('c')
  })

  test('changes who can serve whom that waits', async () => {
    const { lease, members, pool } = setUp(['a'], {}, () => 0, 1)
    await lease()
    const [onlyA, notA, anybody] = [
      lease({ accepts: (key) => key === 'a' }),
      lease({ accepts: (key) => key !== 'b' }),
      lease(),
    ]
    pool.setMembers(members(['b', 'c', 'd']))
    expect(await now(onlyA)).toBe('no_api_key')
    expect(await credentialOf(notA)).toBe('c')
    expect(await credentialOf(anybody)).toBe('b')
  })

  test('serves those who wait', async () => {
    const { lease, members, pool } = setUp(['a'])
    const alone = await lease()
    alone.reportFailure('concurrency-limited', busy)
    const waiting = lease()
    pool.setMembers(members(['a', 'b']))
    await waiting
  })
})

test('the gauges are numbers under fixed names', async () => {
  const { lease, pool } = setUp(['a', 'b'])
  await lease()
  const other = await lease()
  other.reportFailure('invalid-credential', refused)
  expect(poolGauges(pool.snapshot())).toEqual({
    queued: 0,
    queue_oldest_seconds: 0,
    in_flight: 1,
    limit: 16,
    credentials_ready: 1,
    credentials_cooling: 0,
    credentials_suspended: 1,
    credentials_half_open: 0,
    models_cooling: 0,
  })
})
