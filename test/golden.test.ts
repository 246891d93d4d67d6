import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dialects } from '../src/dialects/index.ts'
import { askings, casesOf, goldenRoot, replayed, streamFile, transcript } from './support/transcripts.ts'

// The transcripts are the specification: what a client gets for each recording, byte for byte.
// `make golden` writes them anew; a missing one is a failure.
const writing = process.env.GOLDEN === 'write'

test('each dialect asks for them', () => {
  expect(Object.keys(askings).sort()).toEqual(dialects.map(({ id }) => id).sort())
})

for (const upstream of Object.keys(replayed))
  for (const dialect of Object.keys(askings))
    describe(`${dialect} over ${upstream}`, () => {
      const forms = [
        [streamFile(dialect), true],
        [`${dialect}.json`, false],
      ] as const
      for (const name of casesOf(upstream))
        for (const [file, stream] of forms)
          test(`${name}/${file}`, async () => {
            const said = await transcript(upstream, name, dialect, stream)
            const path = join(goldenRoot, upstream, name, file)
            if (writing) writeFileSync(path, said)
            expect(existsSync(path), `${path} is missing: make golden writes it`).toBe(true)
            expect(said).toBe(readFileSync(path, 'utf8'))
          })
    })
