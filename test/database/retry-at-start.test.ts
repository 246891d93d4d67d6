import { expect, test } from 'bun:test'
import { DatabaseError } from '../../src/database/errors.ts'
import { retryAtStart } from '../../src/database/retry-at-start.ts'
import { sharedClock } from '../../src/database/shared-clock.ts'
import type { Database } from '../../src/database/sql.ts'
import { manualClock } from '../support/clock.ts'

const late = new DatabaseError('late', undefined)

/** A clock whose timers run at once. */
function impatientClock() {
  const clock = manualClock()
  return {
    ...clock,
    after(ms: number, run: () => void) {
      if (ms >= 10_000) return () => {}
      queueMicrotask(() => {
        clock.advance(ms)
        run()
      })
      return () => {}
    },
  }
}

test('a start gets over an outage of some seconds, and not over one that lasts', async () => {
  let failures = 12
  const read = async () => {
    if (failures-- > 0) throw late
    return 'answer'
  }
  expect(await retryAtStart(read, impatientClock())).toBe('answer')
  const clock = impatientClock()
  const startedAt = clock.monotonic()
  expect(await retryAtStart(() => Promise.reject(late), clock).catch((thrown) => thrown)).toBe(late)
  expect(clock.monotonic() - startedAt).toBe(10_000)
})

test('an error that stays is thrown at once', async () => {
  let reads = 0
  const read = () => {
    reads++
    return Promise.reject(new DatabaseError('damaged', undefined))
  }
  expect(await retryAtStart(read, impatientClock()).catch(({ problem }) => problem)).toBe('damaged')
  expect(reads).toBe(1)
})

test('the shared date waits for its first answer', async () => {
  let failures = 3
  const sql = async () => {
    if (failures-- > 0) throw late
    return [{ at: 1_800_000_000_000 }]
  }
  const database = Object.assign(sql, { engine: 'postgres', isAway: () => false }) as unknown as Database
  const clock = await sharedClock(database, impatientClock())
  expect(clock.now()).toBe(1_800_000_000_000)
})
