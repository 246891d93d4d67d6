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

test('a step that is long by itself gets a turn of its own', async () => {
  const clock = manualClock()
  const yieldIfLong = yieldBetweenSteps(clock, long)
  clock.advance(2)
  const turn = yieldIfLong('long step next')
  expect(turn).toBeInstanceOf(Promise)
  await turn
  expect(yieldIfLong('long step next')).toBeUndefined()
})

test('long requests go on one after the other, one in each turn', async () => {
  const clock = manualClock()
  const turns: number[] = []
  let turn = 0
  const count = () => {
    turn++
    if (turns.length < 6) setImmediate(count)
  }
  setImmediate(count)
  const work = async () => {
    const yieldIfLong = yieldBetweenSteps(clock, long)
    for (let step = 0; step < 2; step++) {
      clock.advance(10)
      await yieldIfLong()
      turns.push(turn)
    }
  }
  await Promise.all([work(), work(), work()])
  expect(new Set(turns).size).toBe(6)
})
