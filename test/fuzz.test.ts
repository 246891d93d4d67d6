import { afterAll, describe, test } from 'bun:test'
import fc from 'fast-check'
import { targets } from './fuzz/targets.ts'
import { runs } from './support/effort.ts'

// A slice of `make fuzz`, the same in every run.
const doors = targets()
afterAll(async () => {
  for (const { close } of doors) await close?.()
})

describe('no input does harm:', () => {
  test.each(doors)(
    '$name',
    async ({ property }) => {
      await fc.assert(property, { seed: 20261122, numRuns: runs(300), endOnFailure: false })
    },
    60_000,
  )
})
