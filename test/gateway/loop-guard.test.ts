import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { loopGuard } from '../../src/gateway/loop-guard.ts'
import { runs } from '../support/effort.ts'

const limit = 10_000
/** A repetition is counted from its first complete block on. */
const latest = limit + 2 * 4_096

const text = (said: string): Delta => ({ type: 'text', text: said })
const call = (key: string, name: string, args: string): Delta[] => [
  { type: 'tool-call', key, name },
  ...(args.match(/.{1,7}/gs) ?? []).map((piece): Delta => ({ type: 'tool-call', key, arguments: piece })),
]

function received(deltas: Delta[], within = limit): { out: Delta[]; message: string | undefined } {
  const out = runTransform(loopGuard(within), deltas)
  const last = out.at(-1)
  if (last?.type !== 'error') return { out, message: undefined }
  expect(last.error).toMatchObject({ kind: 'upstream-malformed', code: 'repetition_loop' })
  return { out, message: last.error.message }
}

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))
const rows = (count: number, row: (index: number) => string) => times(count, row).join('')

test.each<[string, (index: number) => Delta[]]>([
  ['an answer', (index) => [text(`${index} is not yet the end. `.repeat(40))]],
  ['reasoning', (index) => [{ type: 'reasoning', text: `${index} is not yet the end. `.repeat(40) }]],
  [
    'calls',
    (index) => [{ type: 'tool-call', key: `${index}`, id: `id${index}`, name: 'n'.repeat(900), arguments: '{}' }],
  ],
  ['many short pieces', () => times(40, (index) => text(`${index}`))],
])('%s without end are stopped, whatever LOOP_LIMIT says', (_what, make) => {
  const out = runTransform(loopGuard(0), times(18_000, make).flat())
  expect(out.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_answer_too_large' } })
  const passed = JSON.stringify(out).length
  expect(passed).toBeGreaterThan(11_000_000)
  expect(passed).toBeLessThan(18_000_000)
})

describe('stops', () => {
  test.each<[string, Delta[], string]>([
    ['one letter', [text('a'.repeat(latest))], 'The answer repeats the same 1 character'],
    ['a sentence', [text('I will try again. '.repeat(1_100))], 'The answer repeats the same 18 characters'],
    ['line breaks', [text(`{"a":${'\n'.repeat(latest)}`)], 'The answer repeats the same 1 character'],
    [
      'a paragraph of 800 characters',
      [text(`${rows(80, (at) => `line ${100 + at} `)}`.repeat(65))],
      'The answer repeats the same 720 characters',
    ],
    ['Chinese', [text('好的，我再试一次。'.repeat(2_100))], 'The answer repeats the same 9 characters'],
    [
      'thinking, in small pieces',
      times(4_000, (): Delta => ({ type: 'reasoning', text: 'Wait, ' })),
      'The thinking repeats the same 6 characters',
    ],
    [
      'a loop behind a good beginning',
      [text(rows(900, (at) => `Line ${at} says ${at * at}.\n`)), text('and so on '.repeat(2_000))],
      'The answer repeats the same 10 characters',
    ],
    [
      'the arguments of one call',
      call('a', 'write', `{"content":"${'\\n'.repeat(latest)}`),
      'A call of the tool write repeats the same 2 characters',
    ],
    [
      'the same call over and over',
      times(33, (at) => call(`k${at}`, 'look', '{"at":"x"}'))
        .concat([[{ type: 'tool-call', key: 'k', name: 'x' }]])
        .flat(),
      'The model calls the tool look with the same arguments over and over (33 times by now)',
    ],
    [
      'two calls in turn',
      times(70, (at) => call(`k${at}`, at % 2 === 0 ? 'look' : 'list', '{}')).flat(),
      'The model calls the tool look with the same arguments',
    ],
  ])('%s', (_name, deltas, message) => {
    expect(received(deltas).message).toStartWith(message)
    expect(received(deltas).message).toContain('LOOP_LIMIT')
    expect(received(deltas, 0)).toEqual({ out: deltas, message: undefined })
  })

  test('at the limit, and passes nothing more', () => {
    const { out } = received(times(30_000, () => text('ab')))
    expect(2 * (out.length - 1)).toBeGreaterThanOrEqual(limit - 4_096)
    expect(2 * (out.length - 1)).toBeLessThanOrEqual(latest)
    expect(out.filter(({ type }) => type === 'error')).toHaveLength(1)
  })
})

describe('lets through', () => {
  test.each<[string, Delta[]]>([
    ['5,000 zeros', [text('0'.repeat(5_000))]],
    ['rulers between sections', [text(rows(300, (at) => `${'='.repeat(80)}\nSection ${at}\n`))]],
    ['ASCII art', [text(rows(60, (at) => `${' '.repeat(at)}/${'_'.repeat(120 - 2 * at)}\\\n`))]],
    ['a table whose rows count', [text(rows(2_000, (at) => `| ${at} | yes | no | 0.00 |\n`))]],
    ['a Markdown table of equal rows', [text('| - | - | - | - |\n'.repeat(400))]],
    ['a JSON array of 150 equal rows', [text(`[${'{"name":"","price":0,"tags":[],"stock":null},'.repeat(150)}]`)]],
    ['a matrix of zeros', [text('[0, 0, 0, 0, 0, 0, 0, 0]\n'.repeat(300))]],
    ['a long passage said 40 times', [text(rows(120, (at) => `word${at} `).repeat(40))]],
    ['32 equal calls', times(32, (at) => call(`k${at}`, 'roll', '{"dice":1}')).flat()],
    ['calls that differ', times(500, (at) => call(`k${at}`, 'read', `{"line":${at}}`)).flat()],
    [
      'calls announced side by side',
      [
        ...times(20, (at): Delta => ({ type: 'tool-call', key: `k${at}`, name: 'read' })),
        ...times(60, (at): Delta => ({ type: 'tool-call', key: `k${at % 20}`, arguments: '1' })),
      ],
    ],
    ['a repetition that ends in time, twice', [text(`${'-'.repeat(9_000)}>${'-'.repeat(9_000)}>`)]],
  ])('%s', (_name, deltas) => {
    expect(received(deltas)).toEqual({ out: deltas, message: undefined })
  })

  test('any text that differs from itself every 9,000 characters', () => {
    const passage = fc.string({ minLength: 1, maxLength: 300 })
    fc.assert(
      fc.property(
        fc.array(passage, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 5_000 }),
        (passages, cut) => {
          const said = passages.map((one, at) => `${one.repeat(Math.floor(8_900 / one.length))}\u{e000}${at}`).join('')
          const pieces = said.match(new RegExp(`[^]{1,${cut}}`, 'g')) ?? []
          expect(received(pieces.map(text)).message).toBeUndefined()
        },
      ),
      { numRuns: runs(30) },
    )
  })
})

test('every endless repetition is found, wherever the text is split', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 200 }),
      fc.string({ maxLength: 6_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      (passage, before, cut) => {
        const said = before + passage.repeat(Math.ceil(latest / passage.length) + 50)
        const pieces = said.match(new RegExp(`[^]{1,${cut}}`, 'g')) ?? []
        expect(received(pieces.map(text)).message).toContain('without end')
      },
    ),
    { numRuns: runs(40) },
  )
})
