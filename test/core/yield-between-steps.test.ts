import { expect, test } from 'bun:test'
import { yieldBetweenSteps } from '../../src/core/yield-between-steps.ts'
import { manualClock } from '../support/clock.ts'

const long = 1_000_000

test('short work continues without a pause', () => {
  const clock = manualClock()
  const yieldIfLong = yieldBetweenSteps(clock, long)
  clock.advance(3)
  expect(yieldIfLong()).toBeUndefined()
})

test('a short request continues without a pause, however long others have worked', () => {
  const clock = manualClock()
  const yieldIfLong = yieldBetweenSteps(clock, 1_000)
  clock.advance(1_000)
  expect(yieldIfLong()).toBeUndefined()
})

test('long work pauses for other requests, then measures from zero', async () => {
  const clock = manualClock()
  const yieldIfLong = yieldBetweenSteps(clock, long)
  clock.advance(10)
  const order: string[] = []
  setImmediate(() => order.push('others'))
  await yieldIfLong()
  expect(order).toEqual(['others'])
  expect(yieldIfLong()).toBeUndefined()
})
