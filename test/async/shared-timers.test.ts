import { expect, test } from 'bun:test'
import { sharedTimers } from '../../src/async/shared-timers.ts'
import { manualClock } from '../support/clock.ts'

function timers() {
  const clock = manualClock()
  const after = sharedTimers(clock)
  const ran: string[] = []
  return { clock, after, ran, set: (ms: number, name: string) => after(ms, () => void ran.push(name)) }
}

test('each runs once, after its own time, and in the order in which they are due', () => {
  const { clock, set, ran } = timers()
  set(2_000, 'a')
  set(1_000, 'b')
  clock.advance(500)
  set(1_000, 'c')
  set(2_000, 'd')
  clock.advance(500)
  expect(ran).toEqual(['b'])
  clock.advance(499)
  expect(ran).toEqual(['b'])
  clock.advance(1)
  expect(ran).toEqual(['b', 'c'])
  clock.advance(500)
  expect(ran).toEqual(['b', 'c', 'a'])
  clock.advance(10_000)
  expect(ran).toEqual(['b', 'c', 'a', 'd'])
})

test.each([
  ['the first', 'a', ['b', 'c']],
  ['one between', 'b', ['a', 'c']],
  ['the last', 'c', ['a', 'b']],
])('%s that is cancelled does not run, and cancelling twice cancels no other', (_which, cancelled, expected) => {
  const { clock, set, ran } = timers()
  const stops = new Map(['a', 'b', 'c'].map((name) => [name, set(1_000, name)]))
  stops.get(cancelled)?.()
  stops.get(cancelled)?.()
  clock.advance(1_000)
  expect(ran).toEqual(expected)
  for (const stop of stops.values()) stop()
  expect(set(1_000, 'd')).toBeFunction()
  for (const stop of stops.values()) stop()
  clock.advance(1_000)
  expect(ran).toEqual([...expected, 'd'])
})

test('those of one duration share a timer of the system, which ends when none is left', () => {
  const { clock, set } = timers()
  const stops = [set(1_000, 'a'), set(1_000, 'b'), set(1_000, 'c')]
  expect(clock.pending()).toBe(1)
  for (const stop of stops) stop()
  clock.advance(1_000)
  expect(clock.pending()).toBe(0)
})

test.each([10, 999, 1_000.5])('%d ms have a timer of their own', (ms) => {
  const { clock, set, ran } = timers()
  set(ms, 'a')
  set(ms, 'b')()
  expect(clock.pending()).toBe(1)
  clock.advance(ms)
  expect(ran).toEqual(['a'])
})

test('one that is set by another waits for its whole time', () => {
  const { clock, after, set, ran } = timers()
  after(1_000, () => void set(1_000, 'second'))
  clock.advance(1_999)
  expect(ran).toEqual([])
  clock.advance(1)
  expect(ran).toEqual(['second'])
})

test('one that throws keeps no other from running', () => {
  const { clock, after, set, ran } = timers()
  after(1_000, () => {
    throw new Error('broken')
  })
  set(1_000, 'a')
  expect(() => clock.advance(1_000)).toThrow('broken')
  clock.advance(1)
  expect(ran).toEqual(['a'])
})

test('one that is longer than the system can wait runs in its time', () => {
  const { clock, set, ran } = timers()
  set(2 ** 31 + 1_000, 'a')
  clock.advance(2 ** 31)
  expect(ran).toEqual([])
  clock.advance(1_000)
  expect(ran).toEqual(['a'])
})
