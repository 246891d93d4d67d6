import { expect, test } from 'bun:test'
import { restBetween } from '../../src/core/yield-between-steps.ts'
import { manualClock } from '../support/clock.ts'

test('short work continues without a pause', () => {
  const clock = manualClock()
  const rest = restBetween(clock)
  clock.advance(3)
  expect(rest()).toBeUndefined()
})

test('long work pauses for other requests, then measures from zero', async () => {
  const clock = manualClock()
  const rest = restBetween(clock)
  clock.advance(10)
  const order: string[] = []
  setImmediate(() => order.push('others'))
  await rest()
  expect(order).toEqual(['others'])
  expect(rest()).toBeUndefined()
})
