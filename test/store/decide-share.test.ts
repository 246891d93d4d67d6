import { expect, test } from 'bun:test'
import { type Capacity, type CapacityLease, decideShare } from '../../src/store/decide-share.ts'

const lease = (node: string, more: Partial<CapacityLease> = {}): CapacityLease => ({
  ...{ node, share: 0, inFlight: 0, wants: {}, turn: 0 },
  ...more,
})
const calls = (count: number, caller = 'ann') => ({ [caller]: count })
const limited = (limit: number): Capacity => ({ limit, limitedAt: 1 })
const quiet = { answered: 0 }
const now = 1_000_000

const decide = (capacity: Capacity, own: CapacityLease, others: CapacityLease[] = []) =>
  decideShare(capacity, own, others, quiet, now)

test('where no limit is known anything goes, and a refusal limits all gateways to what was not refused', () => {
  const unknown = { limit: null, limitedAt: null }
  const other = lease('b', { inFlight: 4, wants: calls(4) })
  expect(decide(unknown, lease('a', { inFlight: 3, wants: calls(3) }), [other]).answer.share).toBe(
    Number.POSITIVE_INFINITY,
  )
  const own = lease('a', { inFlight: 2, wants: calls(3) })
  const { capacity, answer, wake } = decideShare(unknown, own, [other], { answered: 0, allowed: 2 }, now)
  expect({ capacity, limit: answer.limit, wake }).toEqual({
    capacity: { limit: 6, limitedAt: now },
    limit: 6,
    wake: ['b'],
  })
})

test('what has begun elsewhere since the last exchange was not refused either', () => {
  const unknown = { limit: null, limitedAt: null }
  const other = lease('b', { inFlight: 0, wants: calls(2) })
  const own = lease('a', { inFlight: 1, wants: calls(1) })
  expect(decideShare(unknown, own, [other], { answered: 0, allowed: 0 }, now).capacity.limit).toBe(2)
})

test('a refusal never raises a limit, and leaves one call', () => {
  const own = lease('a', { inFlight: 5, wants: calls(5) })
  expect(decideShare(limited(3), own, [], { answered: 0, allowed: 4 }, now).capacity.limit).toBe(3)
  expect(decideShare(limited(3), own, [], { answered: 0, allowed: 0 }, now).capacity.limit).toBe(1)
})

test('answers raise the limit where all gateways together use the whole of it, at most once a minute', () => {
  const own = lease('a', { share: 2, inFlight: 2, wants: calls(3) })
  const raised = (capacity: Capacity, others: CapacityLease[]) =>
    decideShare(capacity, own, others, { answered: 3 }, now).capacity.limit
  const other = lease('b', { share: 2, inFlight: 2, wants: calls(2) })
  expect(raised({ limit: 4, limitedAt: now - 60_000 }, [other])).toBe(5)
  expect(raised({ limit: 4, limitedAt: now - 59_000 }, [other])).toBe(4)
  expect(raised({ limit: 4, limitedAt: null }, [other])).toBe(7)
  expect(raised({ limit: 4, limitedAt: now - 60_000 }, [lease('b', { share: 1, inFlight: 1 })])).toBe(4)
})

test('what nobody wants is spread, so that calls find room without asking', () => {
  expect(decide(limited(8), lease('a', { wants: calls(1) }), [lease('b', { wants: calls(1) })]).answer.share).toBe(4)
})

test('callers get the same, whichever gateways they ask', () => {
  const own = lease('a', { wants: { ann: 20 } })
  const other = lease('b', { wants: { bob: 20, cid: 20, dan: 20 } })
  expect(decide(limited(8), own, [other]).answer.share).toBe(2)
  expect(decide(limited(8), other, [own]).answer.share).toBe(6)
  const both = lease('b', { wants: { ann: 20, bob: 40 } })
  expect(decide(limited(8), own, [both]).answer.share).toBe(2)
  // One that wants less than an equal part leaves the rest to the others.
  expect(decide(limited(8), lease('a', { wants: calls(1) }), [other]).answer.share).toBe(1)
})

test('calls under way elsewhere keep their slots, and whoever has too many is woken', () => {
  const greedy = lease('b', { share: 8, inFlight: 3, wants: calls(30, 'bob') })
  const { answer, wake } = decide(limited(8), lease('a', { wants: calls(30) }), [greedy])
  expect({ share: answer.share, wake }).toEqual({ share: 0, wake: ['b'] })
  const given = decide(limited(8), greedy, [lease('a', { wants: calls(30) })])
  expect({ share: given.answer.share, wake: given.wake }).toEqual({ share: 4, wake: ['a'] })
})

test('slots that do not divide go round: gateways that play for 3 slots serve all callers alike', () => {
  const wants: Record<string, number>[] = [{ ann: 50 }, { bob: 50 }, { cid: 50, dan: 50 }, { eve: 50 }]
  let leases = wants.map((each, index) => lease(`node ${index}`, { wants: each }))
  const served = [0, 0, 0, 0]
  let seed = 1
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed
  }
  const ask = (index: number) => {
    const own = leases[index] as CapacityLease
    const { lease: next, answer } = decide(
      limited(3),
      own,
      leases.filter((other) => other !== own),
    )
    const starts = Math.max(0, answer.share - own.inFlight)
    served[index] = (served[index] ?? 0) + starts
    leases = leases.map((each, at) => (at === index ? { ...next, inFlight: own.inFlight + starts } : each))
    expect(leases.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBeLessThanOrEqual(3)
  }
  for (let round = 0; round < 2_000; round++) {
    for (const index of leases.keys()) ask(index)
    const running = leases.flatMap(({ inFlight }, index) => Array.from({ length: inFlight }, () => index))
    const ends = running[random() % running.length] ?? 0
    leases = leases.map((each, at) => (at === ends ? { ...each, inFlight: each.inFlight - 1 } : each))
  }
  const total = served.reduce((sum, count) => sum + count, 0)
  // The third gateway has two of the five callers.
  for (const [index, part] of [1 / 5, 1 / 5, 2 / 5, 1 / 5].entries())
    expect(Math.abs((served[index] ?? 0) / total - part)).toBeLessThan(0.03)
})
