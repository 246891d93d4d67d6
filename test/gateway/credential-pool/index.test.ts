import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Clock } from '../../../src/core/clock.ts'
import {
  type CredentialRefusal,
  type CredentialSnapshot,
  type Lease,
  poolGauges,
  type Ticket,
  type TicketOptions,
} from '../../../src/core/credential-pool.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { createPool, type QueueLimits, type Wait } from '../../../src/gateway/credential-pool/index.ts'
import { type ManualClock, manualClock } from '../../support/clock.ts'
import { runs } from '../../support/effort.ts'
import { lending } from '../../support/pool.ts'

const busy = new GatewayError('rate-limited', 'concurrency-limited', { retryAfterMs: 15_000 })
const refused = new GatewayError('upstream-auth', 'not accepted')
const spent = new GatewayError('quota-exhausted', 'used up', { retryAfterMs: 3_600_000 })

function setUp(keys: string[] = ['a'], limits: Partial<QueueLimits> = {}, random = () => 0, startLimit = 8) {
  const clock = manualClock()
  const told: Wait[] = []
  const pool = createPool<string>({
    name: 'Z.AI',
    clock,
    random,
    limits: () => ({ queueLimit: 100, queueMs: 120_000, ...limits }),
    startLimit,
    onLongWait: (wait) => void told.push(wait),
  })
  const notes: string[] = []
  const members = (names: string[]) =>
    names.map((key, index) => ({ id: `key ${index + 1}`, secret: key, rank: 0, create: () => key }))
  pool.setMembers(members(keys))
  const turn = (more: Partial<TicketOptions<string>> = {}) =>
    pool.ticket({
      model: 'glm-4.7',
      caller: 'alice',
      accepts: () => true,
      signal: new AbortController().signal,
      noneAccepts: () => new GatewayError('upstream-auth', 'no key', { code: 'no_api_key' }),
      annotate: (note) => void notes.push(note),
      ...more,
    })
  const lease = (more: Partial<TicketOptions<string>> = {}) => turn(more).lease()
  const stateOf = (index = 0) => pool.snapshot().credentials[index]
  return { clock, pool, notes, told, members, turn, lease, stateOf }
}

/** What a promise has come to by now. */
async function now<T>(promise: Promise<T>): Promise<T | string> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  const told = promise.catch((error: GatewayError) => error.code)
  return Promise.race([
    told,
    Promise.resolve().then(async () => {
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
      return 'waiting'
    }),
  ])
}

const credentialOf = async (promise: Promise<Lease<string>>) => (await promise).credential

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

type Step =
  | { do: 'come'; model: string; name: string }
  | { do: 'works' | 'release' | 'leave'; nth: number }
  | { do: 'refuse'; nth: number; refusal: CredentialRefusal; again: boolean }
  | { do: 'pass'; ms: number }

const model = fc.constantFrom('glm-4.7', 'glm-4.7', 'glm-4.6')
const name = fc.constantFrom('alice', 'bob', 'carol')
const nth = fc.nat(9)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('come' as const), model, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('works' as const, 'release' as const), nth }) },
  fc.record({ do: fc.constant('leave' as const), nth: fc.nat(40) }),
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('refuse' as const),
      nth,
      refusal: fc.constantFrom<CredentialRefusal>(
        'concurrency-limited',
        'account-concurrency-limited',
        'model-overloaded',
        'invalid-credential',
        'model-unavailable',
      ),
      again: fc.boolean(),
    }),
  },
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 5_000, 30_000, 120_000) }),
)

interface Caller {
  name: string
  model: string
  ticket: Ticket<string>
  leaving: AbortController
  state: 'waiting' | 'holding' | 'gone'
  lease?: Lease<string>
  /** The step it asked in. */
  askedAt: number
  /** By name, what others were lent of the same model less what of it was refused, since this name was last served. */
  passedBy: Map<string, number>
}

const limitsOf =
  ({ limit, limits }: CredentialSnapshot) =>
  (model: string) =>
    limits[model] ?? limit

test('whatever happens: no more leases than the limits, which no refusal raises; names take turns, the calls of each in order; nobody suspended is lent, and everybody settles', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(1, 2, 8, Number.POSITIVE_INFINITY),
      async (steps, size, startLimit) => {
        const keys = ['a', 'b', 'c'].slice(0, size)
        const { clock, pool, turn } = setUp(keys, { queueLimit: 20 }, () => 0.5, startLimit)
        const callers: Caller[] = []
        const suspendedUntil = new Map<string, number>()

        const act = (taken: Step) => {
          if (taken.do === 'pass') return clock.advance(taken.ms)
          if (taken.do === 'come') return come(taken)
          if (taken.do === 'leave') return callers[taken.nth]?.leaving.abort()
          const holding = callers.filter(({ state }) => state === 'holding')
          const caller = holding[taken.nth % Math.max(1, holding.length)]
          const lease = caller?.lease
          if (caller === undefined || lease === undefined) return
          if (taken.do === 'works') return lease.reportSuccess()
          caller.state = 'gone'
          if (taken.do !== 'refuse') return lease.release()
          const until = clock.monotonic() + 45_000
          const before = pool.snapshot().credentials
          for (const { passedBy } of callers) passedBy.set(caller.name, (passedBy.get(caller.name) ?? 0) - 1)
          lease.reportFailure(taken.refusal, busy, 45_000)
          for (const [index, after] of pool.snapshot().credentials.entries()) {
            const known = before[index] ?? after
            expect(after.limit).toBeLessThanOrEqual(known.limit)
            for (const name of ['glm-4.7', 'glm-4.6'])
              expect(limitsOf(after)(name)).toBeLessThanOrEqual(limitsOf(known)(name))
          }
          if (taken.refusal === 'invalid-credential') suspendedUntil.set(lease.credential, until)
          if (taken.refusal === 'model-unavailable') suspendedUntil.set(`${lease.credential} ${caller.model}`, until)
          if (taken.again) ask(caller)
        }

        const come = ({ model, name }: { model: string; name: string }) => {
          const leaving = new AbortController()
          const ticket = turn({ model, caller: name, signal: leaving.signal })
          const caller: Caller = {
            name,
            model,
            ticket,
            leaving,
            state: 'waiting',
            askedAt: stepAt,
            passedBy: new Map(),
          }
          callers.push(caller)
          ask(caller)
        }

        const ask = (caller: Caller) => {
          const { name, model } = caller
          caller.state = 'waiting'
          caller.askedAt = stepAt
          caller.passedBy.clear()
          caller.ticket
            .lease()
            .then(
              (lease) => {
                Object.assign(caller, { lease, state: 'holding' })
                for (const key of [lease.credential, `${lease.credential} ${model}`])
                  expect(suspendedUntil.get(key) ?? 0).toBeLessThanOrEqual(clock.monotonic())
                // What a refusal makes room for is given away before the refused call asks again.
                const waiting = callers.filter((other) => other.state === 'waiting' && other.askedAt < stepAt)
                const before = waiting.filter((other) => callers.indexOf(other) < callers.indexOf(caller))
                expect(before.filter((other) => other.name === name && other.model === model)).toEqual([])
                for (const other of waiting) {
                  if (other.name === name) other.passedBy.clear()
                  if (other.name === name || other.model !== model) continue
                  const passed = (other.passedBy.get(name) ?? 0) + 1
                  expect(passed).toBeLessThanOrEqual(1)
                  other.passedBy.set(name, passed)
                }
              },
              () => {
                caller.state = 'gone'
              },
            )
            .catch((failure) => failures.push(failure))
        }

        const failures: unknown[] = []
        let stepAt = 0
        for (const taken of steps) {
          stepAt++
          act(taken)
          for (let turn = 0; turn < 8; turn++) await Promise.resolve()
          const holding = callers.filter(({ state }) => state === 'holding')
          for (const [index, { inFlight, limit, limits }] of pool.snapshot().credentials.entries()) {
            expect(inFlight).toBeLessThanOrEqual(limit)
            for (const [model, most] of Object.entries(limits)) {
              const under = holding.filter((other) => other.model === model && other.lease?.credential === keys[index])
              expect(under.length).toBeLessThanOrEqual(most)
            }
          }
          const held = holding.length
          expect(pool.snapshot().credentials.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(held)
          expect(pool.snapshot().queue.length).toBe(callers.filter(({ state }) => state === 'waiting').length)
        }
        await settleAll(clock, callers)
        expect(failures).toEqual([])
        expect(callers.every(({ state }) => state === 'gone')).toBe(true)
        expect(pool.snapshot().queue.length).toBe(0)
        expect(clock.pending()).toBe(0)
      },
    ),
    { numRuns: runs(300) },
  )
})

/** Every answer ends, and time goes on. */
async function settleAll(clock: ManualClock, callers: Caller[]): Promise<void> {
  for (let round = 0; round < 30; round++) {
    for (const caller of callers.filter(({ state }) => state === 'holding')) {
      caller.state = 'gone'
      caller.lease?.reportSuccess()
      caller.lease?.release()
    }
    clock.advance(10_000)
    for (let turn = 0; turn < 8; turn++) await Promise.resolve()
  }
}
