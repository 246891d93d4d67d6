import { expect, test } from 'bun:test'
import { type Concurrency, lowerLimit, raiseLimit } from '../../../src/gateway/credential-pool/concurrency.ts'

function after(change: typeof lowerLimit, before: Concurrency, now: number): Concurrency {
  const concurrency = { ...before }
  change(concurrency, now)
  return concurrency
}

test.each<[string, Concurrency, number]>([
  ['sets the limit to the calls that were not refused', { inFlight: 5, limit: 8, limitedAt: undefined }, 4],
  ['sets one where none was known', { inFlight: 3, limit: Number.POSITIVE_INFINITY, limitedAt: undefined }, 2],
  ['of a call that was alone leaves one', { inFlight: 1, limit: 8, limitedAt: undefined }, 1],
  [
    'never raises it: more calls may be under way than the limit that was learned since',
    { inFlight: 6, limit: 3, limitedAt: 500 },
    3,
  ],
])('a refusal %s', (_name, before, limit) => {
  expect(after(lowerLimit, before, 1_000)).toEqual({ inFlight: before.inFlight, limit, limitedAt: 1_000 })
})

test.each<[string, Concurrency, Partial<Concurrency>]>([
  ['raises a limit that is used up', { inFlight: 8, limit: 8, limitedAt: undefined }, { limit: 9 }],
  ['leaves a limit that is not', { inFlight: 7, limit: 8, limitedAt: undefined }, {}],
  ['leaves a limit that was lowered less than a minute ago', { inFlight: 2, limit: 2, limitedAt: 40_001 }, {}],
  ['raises it by one a minute after', { inFlight: 2, limit: 2, limitedAt: 40_000 }, { limit: 3, limitedAt: 100_000 }],
])('an answer %s', (_name, before, changed) => {
  expect(after(raiseLimit, before, 100_000)).toEqual({ ...before, ...changed })
})
