import { expect, test } from 'bun:test'
import { withTimeout } from '../../src/core/clock.ts'
import { manualClock } from '../support/clock.ts'

type Ending = (settle: { resolve: (value: string) => void; reject: (reason: unknown) => void }) => void

const cases: [string, Ending | undefined, late: () => string | Promise<string>, string][] = [
  ['in time', ({ resolve }) => resolve('here'), () => 'late', 'here'],
  ['failed in time', ({ reject }) => reject(new Error('broken')), () => 'late', 'Error: broken'],
  ['too late', undefined, () => 'late', 'late'],
  ['too late, which is a failure', undefined, () => Promise.reject(new Error('late')), 'Error: late'],
]

test.each(cases)('a promise within a time: %s', async (_name, ending, late, expected) => {
  const clock = manualClock()
  const promise = Promise.withResolvers<string>()
  const settled = withTimeout(promise.promise, 1_000, late, clock).catch(String)
  ending?.(promise)
  // A cancelled timer does not run.
  if (ending) await settled
  expect(clock.pending()).toBe(ending ? 0 : 1)
  clock.advance(1_000)
  expect(await settled).toBe(expected)
})
