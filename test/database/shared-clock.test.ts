import { afterEach, expect, test } from 'bun:test'
import { sharedClock } from '../../src/database/shared-clock.ts'
import type { Database } from '../../src/database/sql.ts'
import { manualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'

const serverDate = 1_800_000_000_000
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** The server's date is this machine's duration since the beginning, and what it slept. `answer` may take its time. */
async function opened() {
  const clock = manualClock()
  const begunAt = clock.monotonic()
  const server = { sleptMs: 0, asked: 0, answer: async () => {} }
  const date = () => serverDate + clock.monotonic() - begunAt + server.sleptMs
  const database = Object.assign(
    async () => {
      const at = date()
      server.asked++
      await server.answer()
      return [{ at }]
    },
    { engine: 'postgres', isAway: () => false },
  ) as unknown as Database
  const shared = await sharedClock(database, clock)
  closing.push(shared.stop)
  return { clock, server, date, shared }
}

test('has the date of the server also where that of this machine is set', async () => {
  const { clock, date, shared } = await opened()
  expect(shared.now()).toBe(date())
  for (const byMs of [300_000, -300_000]) {
    clock.setDate(clock.now() + byMs)
    clock.advance(5_000)
    expect(shared.now()).toBe(date())
  }
})

test('asks the server again at once after the machine has slept', async () => {
  const { clock, server, date, shared } = await opened()
  server.sleptMs = 3_600_000
  clock.setDate(clock.now() + server.sleptMs)
  shared.now()
  await eventually(() => expect(shared.now()).toBe(date()))
  const { asked } = server
  clock.advance(1_000)
  shared.now()
  expect(server.asked).toBe(asked)
})

test('does not believe an answer that the process was stopped before', async () => {
  const { clock, server, date, shared } = await opened()
  server.answer = async () => {
    await Promise.resolve()
    clock.advance(240_000)
  }
  clock.advance(30_000)
  // All that is waited for are promises.
  await new Promise((resolve) => setImmediate(resolve))
  expect(server.asked).toBe(2)
  expect(shared.now()).toBe(date())
})
