import { expect, test } from 'bun:test'
import { releaseMemoryWhenIdle } from '../../src/cli/memory-release.ts'
import { manualClock } from '../support/clock.ts'

interface Second {
  running: number
  /** Resident memory in MB. */
  mb: number
}

const at = (running: number, mb: number): Second => ({ running, mb })
const quiet = (mb: number, running = 0): Second[] => Array.from({ length: 5 }, () => at(running, mb))

/** The seconds in which memory was released. */
function collections(seconds: readonly Second[]): number[] {
  const clock = manualClock()
  const found: number[] = []
  let number = 0
  const now = () => seconds[number] ?? at(0, 0)
  const stop = releaseMemoryWhenIdle({
    running: () => now().running,
    resident: () => now().mb * 1024 * 1024,
    clock,
    collect: () => found.push(number),
  })
  for (number = 0; number < seconds.length; number++) clock.advance(1_000)
  stop()
  expect(clock.pending()).toBe(0)
  return found
}

test.each<[string, Second[], number[]]>([
  ['when an eighth of the requests is left', [at(2_000, 300), at(300, 310), ...quiet(310, 250), at(3, 130)], [6]],
  [
    'after each load peak',
    [at(1_500, 300), ...quiet(300), at(9, 140), at(1_800, 320), ...quiet(320), at(0, 130)],
    [5, 12],
  ],
  ['not between the turns of an agent', [at(1, 400), at(0, 400), at(0, 420), at(1, 440), at(0, 440), at(0, 450)], []],
  ['not if little memory is held', [at(1_000, 160), ...quiet(160), ...quiet(255)], []],
  ['after a few large requests', [at(8, 400), ...quiet(400, 1), at(1, 130)], [5]],
  ['not repeatedly if the memory is in use', [at(9, 400), ...quiet(400), ...quiet(390), ...quiet(584)], [5]],
  ['again after it has grown by half', [at(9, 400), ...quiet(400), at(0, 390), ...quiet(586), at(0, 130)], [5, 10]],
  [
    'independently of what the next peak needs',
    [at(9, 400), ...quiet(400), at(2_000, 420), ...quiet(430), at(0, 130)],
    [5, 11],
  ],
])('memory is released %s', (_name, seconds, found) => {
  expect(collections(seconds)).toEqual(found)
})
