import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { CredentialRefusal, CredentialSnapshot, Lease, Ticket } from '../../../src/core/credential-pool.ts'
import type { ManualClock } from '../../support/clock.ts'
import { runs } from '../../support/effort.ts'
import { busy, setUp } from './support.ts'

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
