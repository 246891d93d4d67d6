import { describe, expect, test } from 'bun:test'
import { type Combination, cellAt, combinations } from './support/conformance/cell.ts'
import type { Feature } from './support/conformance/feature.ts'
import { features } from './support/conformance/features.ts'
import { conformanceTable, type Findings, keyOf, notesAt } from './support/conformance/table.ts'
import { expectGenerated, readmes } from './support/readme.ts'

// The README's table is what these tests found, so that a mark in it cannot be a wish.
const findings: Findings = new Map()

describe.each(features.map((feature) => [feature.name.en, feature] as const))('%s', (_name, feature) => {
  test.each(
    combinations.map((combination) => [`${combination.dialect} on ${combination.upstream}`, combination] as const),
  )(
    '%s',
    async (_at, combination) => {
      const fault = await faultOf(feature, combination)
      findings.set(keyOf(feature, combination), fault === undefined)
      const lacking = notesAt(feature, combination).flatMap((note) => note.lacking ?? [])[0]
      if (lacking) expect(String(fault)).toMatch(lacking)
      else if (fault !== undefined) throw fault
    },
    60_000,
  )
})

test.each(readmes)('$file shows what was found', ({ file, language }) => {
  expectGenerated(file, 'conformance', conformanceTable(findings, language))
})

/** Every mark holds for whole replies and for streams, unless the feature is one of the two. */
async function faultOf(feature: Feature, combination: Combination): Promise<unknown> {
  try {
    if (feature.only !== 'stream') await feature.check(cellAt(combination, false))
    if (feature.only !== 'whole') await feature.check(cellAt(combination, true))
    return undefined
  } catch (fault) {
    return fault
  }
}
