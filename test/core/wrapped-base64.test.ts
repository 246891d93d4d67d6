import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { findIssuedKeys } from '../../src/core/issued-keys.ts'
import { createRedactor, withoutRanges } from '../../src/core/known-secrets.ts'
import { unwrappedBase64 } from '../../src/core/wrapped-base64.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { runs } from '../support/effort.ts'

const key = 'sk-Q7mZx2Lr9TbVw4Nc8KdYh5Jg3Fs'
const issued = 'z2a_Vw8cQ0LrT5nZ1xYbE7uKpH2mJ4sDaG6fRi9oC3t'
const redact = createRedactor([key])

/** As encoders of MIME and PEM write it. */
const wrapped = (text: string, width: number, lineBreak: string) =>
  (
    Buffer.from(text)
      .toString('base64')
      .match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  ).join(lineBreak)

const around = (secret: string, before: number) =>
  `${'Some words in front of it. '.repeat(9).slice(0, before)}${secret} and words behind it, of which there are some.`

const breaks = [['\n'], ['\r\n'], ['\n    '], ['\\n'], ['\\r\\n'], ['\\\\n']]

test.each(breaks)('a secret is found wherever %j falls into it', (lineBreak) => {
  for (const width of [20, 64, 76])
    for (let before = 0; before < 80; before++) {
      const text = wrapped(around(key, before), width, lineBreak)
      const left = Buffer.from(redact(text).replaceAll(/\[redacted\]|\\+r|\\+n|\s/g, ''), 'base64').toString('latin1')
      // What is left of it at the ends is a character at most.
      expect(left).not.toContain(key.slice(1, 6))
      expect(left).not.toContain(key.slice(-6, -1))
    }
})

test.each(breaks)('a key of the gateway is found wherever %j falls into it', (lineBreak) => {
  for (const width of [20, 64, 76])
    for (let before = 0; before < 80; before++) {
      const text = wrapped(around(issued, before), width, lineBreak)
      const clean = withoutRanges(findIssuedKeys(text), text)
      expect(clean).toContain('[redacted]')
      const left = Buffer.from(clean.replaceAll(/\[redacted\]|\\+r|\\+n|\s/g, ''), 'base64').toString('latin1')
      expect(left).not.toContain(issued.slice(-8, -1))
    }
})

test('blocks stay apart, and the last one may end with the text', () => {
  const line = 'A'.repeat(30)
  expect(unwrappedBase64(`x ${line}\n${line}==\n${line}\nB`)).toEqual({
    text: `${line}${line}\n${line}B\n`,
    origin: Uint32Array.from([...range(2, 32), ...range(33, 63), 63, ...range(66, 96), 97, 98]),
  })
})

test.each(['', 'words\nand\nwords', 'A'.repeat(99), `${'A'.repeat(99)}\n`, `${'A'.repeat(99)}\n-- \n.`])(
  '%j is no base64 of several lines',
  (text) => {
    const { text: joined = '' } = unwrappedBase64(text) ?? {}
    expect(joined.replaceAll('\n', '')).toBe(text.includes('\n-- ') ? `${'A'.repeat(99)}--` : '')
  },
)

test('every character comes from where it is said to come from', () => {
  const piece = fc.constantFrom('\n', '\r\n', '\\n', 'A'.repeat(20), 'B'.repeat(64), 'c', ' ', '=', '"')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join('')
      const { text: joined, origin } = unwrappedBase64(text) ?? { text: '', origin: new Uint32Array() }
      expect(origin.length).toBe(joined.length)
      for (const [at, char] of [...joined].entries()) if (char !== '\n') expect(text[origin[at] ?? -1]).toBe(char)
      expect(origin.toSorted()).toEqual(origin)
    }),
    { numRuns: runs(300) },
  )
})

test.each([
  ['lines of words', 'const answer = await fetch(address)\\n'.repeat(30_000)],
  ['one line of base64', 'A'.repeat(1_000_000)],
  ['many lines of base64', `${'A'.repeat(76)}\r\n`.repeat(13_000)],
  ['line breaks', '\n'.repeat(1_000_000)],
  ['escaped line breaks', '\\n'.repeat(500_000)],
])('a megabyte of %s takes no longer than a look at each character', (_, text) => {
  const startedAt = cpuTimeMs()
  unwrappedBase64(text)
  // Measured 2 to 30 ms; a search that begins anew at each line would take minutes.
  expect(cpuTimeMs() - startedAt).toBeLessThan(1_000)
})

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}
