import { expect, test } from 'bun:test'
import { afterRush } from '../../src/cli/ebb.ts'
import { manualClock } from '../support/clock.ts'

/** The seconds in which memory was given back, with so many running in each. */
function collections(running: readonly number[]): number[] {
  const clock = manualClock()
  const found: number[] = []
  let second = 0
  const stop = afterRush({ running: () => running[second] ?? 0, clock, collect: () => found.push(second) })
  for (second = 0; second < running.length; second++) clock.advance(1_000)
  stop()
  expect(clock.pending()).toBe(0)
  return found
}

test.each<[string, number[], number[]]>([
  ['once, when an eighth is left', [0, 2_000, 1_000, 300, 150, 100, 0, 0], [4]],
  ['after each rush', [400, 0, 3, 800, 900, 2, 0], [1, 5]],
  ['not after a few', [199, 0, 150, 10, 0], []],
  ['not while most of them still run', [1_000, 900, 400, 130], []],
  ['after one that fades slowly', [800, 700, 500, 300, 200, 120, 101, 99], [7]],
])('memory is given back %s', (_name, running, seconds) => {
  expect(collections(running)).toEqual(seconds)
})
