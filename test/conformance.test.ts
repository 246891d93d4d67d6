import { describe, expect, test } from 'bun:test'
import { cellAt, type Place, places } from './support/conformance/cell.ts'
import { type Feature, features } from './support/conformance/features.ts'
import { conformanceTable, type Findings, keyOf, notesAt } from './support/conformance/table.ts'
import { expectGenerated, readmes } from './support/readme.ts'

// The README's table is what these tests found, so that a mark in it cannot be a wish.
const findings: Findings = new Map()

describe.each(features.map((feature) => [feature.name.en, feature] as const))('%s', (_name, feature) => {
  test.each(places.map((place) => [`${place.dialect} on ${place.upstream}`, place] as const))(
    '%s',
    async (_at, place) => {
      const fault = await faultOf(feature, place)
      findings.set(keyOf(feature, place), fault === undefined)
      const lacking = notesAt(feature, place).flatMap((note) => note.lacking ?? [])[0]
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
async function faultOf(feature: Feature, place: Place): Promise<unknown> {
  try {
    if (feature.only !== 'stream') await feature.check(cellAt(place, false))
    if (feature.only !== 'whole') await feature.check(cellAt(place, true))
    return undefined
  } catch (fault) {
    return fault
  }
}
