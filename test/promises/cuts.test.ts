import { describe, expect, test } from 'bun:test'
import { askings, casesOf, replayed, transcript } from '../support/transcripts.ts'

// Networks cut where they like. What a client reads must not depend on it: neither the text nor how it ends.
// CUTS=all tries the sizes, too, that cut nothing these do not.
const sizes = process.env.CUTS === 'all' ? [1, 2, 3, 7, 64] : [1, 7, 64]

for (const upstream of Object.keys(replayed))
  for (const dialect of Object.keys(askings))
    describe(`${dialect} over ${upstream}, cut at ${sizes.join(', ')} bytes`, () => {
      test.each(casesOf(upstream))('%s', async (name) => {
        for (const stream of [true, false]) {
          const whole = await transcript(upstream, name, dialect, stream)
          for (const size of sizes) expect(await transcript(upstream, name, dialect, stream, size)).toBe(whole)
        }
      })
    })
