import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { runTransform } from '../../../src/core/transform.ts'
import { decoder } from '../../../src/upstreams/zai-web/decode.ts'
import { runs } from '../../support/effort.ts'
import { edit, open, optionsWith, part, proseOf } from './decoding.ts'

type Op = { type: 'append' | 'rewind'; at: number; text: string; thinking: boolean }

const tokens = fc.constantFrom(
  'word ',
  'x',
  '\n',
  '\n\n',
  ' ',
  '> ',
  '>',
  '🌡',
  '𠮷祥',
  '\ud83c',
  '\udf21',
  '<',
  '<b>',
  open,
  '<details type="reas',
  'oning" done="true">\n> ',
  '</details>',
  '\n</details>\n',
  '</det',
  '<details>',
  '<summary>',
  'Thought</summary>',
  '<glm_block >{',
  '<glm_block',
  '}</glm_block>',
  '</glm_block>\n',
  'a longer stretch of plain text to be sent',
)

const ops = fc.array(
  fc.record({
    type: fc.constantFrom('append' as const, 'append' as const, 'rewind' as const),
    at: fc.nat(1000),
    text: fc.array(tokens, { maxLength: 4 }).map((parts) => parts.join('')),
    thinking: fc.boolean(),
  }),
  { maxLength: 25 },
)

describe('after any appends and rewinds', () => {
  test('a whole reply matches its final text', () => {
    fc.assert(
      fc.property(ops, (steps) => {
        const { frames, units } = played(steps)
        expect(proseOf(runTransform(decoder(optionsWith({ whole: true })), frames))).toEqual(told(units))
      }),
      { numRuns: runs(1000) },
    )
  })

  test('a streamed reply is the same, as long as no sent text was rewritten', () => {
    let compared = 0
    fc.assert(
      fc.property(ops, (steps) => {
        const { frames, units } = played(steps)
        const notes: string[] = []
        const prose = proseOf(
          runTransform(
            decoder(optionsWith({ whole: false, holdFrom: '<b>', annotate: (note) => notes.push(note) })),
            frames,
          ),
        )
        expect(prose.text.isWellFormed() && prose.reasoning.isWellFormed()).toBe(true)
        if (notes.includes('rewrote sent text')) return
        compared++
        expect(prose).toEqual(told(units))
      }),
      { numRuns: runs(1000) },
    )
    expect(compared).toBeGreaterThan(0.3 * runs(1000))
  })
})

interface Unit {
  unit: string
  thinking: boolean
}

/** The frames of some edits, and the text they leave behind, unit by unit. */
function played(steps: readonly Op[]): { frames: string[]; units: Unit[] } {
  let units: Unit[] = []
  const frames = steps.map(({ type, at, text, thinking }) => {
    const phase = thinking ? 'thinking' : 'answer'
    const cut = type === 'append' ? units.length : at % (units.length + 2)
    const isInPair = isFirstHalf(units[cut - 1]?.unit ?? '') && cut < units.length
    units = [...units.slice(0, isInPair ? cut - 1 : cut), ...text.split('').map((unit) => ({ unit, thinking }))]
    return type === 'append' ? part({ phase, delta_content: text }) : edit(cut, text, phase)
  })
  return { frames, units }
}

/** A simple reference implementation: it matches patterns in the final text. */
function told(written: readonly Unit[]): { text: string; reasoning: string } {
  // A high surrogate belongs to the piece that completes the pair, and is dropped if it is the last unit.
  const units = written.flatMap(({ unit, thinking }, at) => {
    if (!isFirstHalf(unit)) return [{ unit, thinking }]
    const next = written[at + 1]
    return next ? [{ unit, thinking: next.thinking }] : []
  })
  const raw = units
    .map(({ unit }) => unit)
    .join('')
    .toWellFormed()
  const pattern =
    /(\s*)<details type="reasoning"[^<>]{0,400}>([\s\S]*?)(?:(<\/details>)\n?|$)|<glm_block(?:\s[^<>]{0,400})?>\s{0,8}\{[\s\S]*?(?:<\/glm_block>\n?|$)/g
  const said = { text: '', reasoning: '' }
  const plain = (from: number, to: number) => {
    for (let unit = from; unit < to; unit++) said[units[unit]?.thinking ? 'reasoning' : 'text'] += raw[unit]
  }
  let at = 0
  for (const match of raw.matchAll(pattern)) {
    plain(at, match.index)
    at = match.index + match[0].length
    const [, space = '', inner, closed] = match
    if (inner === undefined) continue
    said.text += space
    const lines = inner
      .replace(/^(?:\s*<summary>[\s\S]*?(?:<\/summary>|$))*\s*/, '')
      .replace(closed ? /\n$/ : /$^/, '')
      .replace(/^> ?/gm, '')
    said.reasoning += (said.reasoning !== '' && lines !== '' ? '\n\n' : '') + lines
  }
  plain(at, units.length)
  return said
}

function isFirstHalf(unit: string): boolean {
  return /[\ud800-\udbff]/.test(unit)
}
