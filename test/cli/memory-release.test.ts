import { expect, test } from 'bun:test'
import { releaseMemoryWhenIdle } from '../../src/cli/memory-release.ts'
import { manualClock } from '../support/clock.ts'

interface Second {
  running: number
  /** Held, in MB. */
  mb: number
}

const at = (running: number, mb: number): Second => ({ running, mb })

/** The seconds in which memory was given back. */
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
  ['when an eighth is left', [at(2_000, 300), at(1_000, 310), at(300, 310), at(250, 310), at(3, 130)], [3]],
  ['after each rush', [at(1_500, 300), at(0, 300), at(9, 140), at(1_800, 320), at(0, 320), at(0, 130)], [1, 4]],
  ['not where it is not worth it', [at(1_000, 160), at(0, 160), at(0, 255)], []],
  ['after large requests of a few', [at(8, 400), at(1, 400), at(1, 130)], [1]],
  ['not again and again where all of it is needed', [at(9, 400), at(0, 400), at(1, 390), at(0, 400), at(0, 584)], [1]],
  ['once more where much has come', [at(9, 400), at(0, 400), at(0, 390), at(0, 586), at(0, 130)], [1, 3]],
  ['whatever the next rush needs', [at(9, 400), at(0, 400), at(2_000, 420), at(0, 430), at(0, 130)], [1, 3]],
])('memory is given back %s', (_name, seconds, found) => {
  expect(collections(seconds)).toEqual(found)
})
