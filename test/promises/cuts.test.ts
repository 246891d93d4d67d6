import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isThorough } from '../support/effort.ts'
import { askings, casesOf, goldenRoot, replayed, streamFile, transcript } from '../support/transcripts.ts'

// Networks cut where they like. What a client reads must not depend on it: neither the text nor how it ends. A whole
// reply is the same stream, collected.
const ways = isThorough
  ? ([
      ['stream', [1, 2, 3, 7, 64]],
      ['json', [1, 2, 3, 7, 64]],
    ] as const)
  : ([
      ['stream', [1, 7, 64]],
      ['json', [1]],
    ] as const)

for (const upstream of Object.keys(replayed))
  for (const dialect of Object.keys(askings))
    describe(`${dialect} over ${upstream}, cut into reads of a few bytes`, () => {
      test.each(casesOf(upstream))('%s', async (name) => {
        for (const [form, sizes] of ways) {
          const file = form === 'stream' ? streamFile(dialect) : `${dialect}.json`
          const uncut = readFileSync(join(goldenRoot, upstream, name, file), 'utf8')
          for (const size of sizes)
            expect(await transcript(upstream, name, dialect, form === 'stream', size)).toBe(uncut)
        }
      })
    })
