import { describe, expect, test } from 'bun:test'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { loopGuard } from '../../src/gateway/loop-guard.ts'

const characters = 200_000
/** The default of LOOP_LIMIT. */
const limit = 10_000

/** Text like long reasoning: the same phrases again and again, about different things. */
const sayings = [
  (at: number) => `Wait, let me reconsider case ${at}. `,
  (at: number) => `Actually, if n = ${at}, then n² = ${at * at}, so the bound holds. `,
  (at: number) => `Hmm. Hmm. But what about the edge case where the list has ${at % 97} items?\n`,
  (at: number) => `- [ ] check line ${at}\n`,
  () => 'Let me think step by step.\n\n',
  (at: number) => `| ${at % 10} | ${(at * 7) % 10} | ${(at * 3) % 10} | yes |\n`,
  (at: number) => `${'='.repeat(80)}\nAttempt ${at}\n${'='.repeat(80)}\n`,
  (at: number) => `\`\`\`ts\nfor (let i = 0; i < ${at}; i++) sum += i\n\`\`\`\n`,
  (at: number) => `等等，让我再想一想第${at}种情况。`,
  (at: number) => '0'.repeat(at % 300),
]

function thinking(seed: number): string {
  let said = ''
  // A seeded generator, so that the text is the same on every run.
  let state = seed
  for (let at = 0; said.length < characters; at++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    said += sayings[state % sayings.length]?.(at) ?? ''
  }
  return said
}

const pieces = (said: string, size: number): Delta[] =>
  (said.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).map((text) => ({ type: 'reasoning', text }))

describe('reasoning of 200,000 characters', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('about different things passes (%d)', (seed) => {
    const deltas = pieces(thinking(seed), 1 + seed * 5)
    expect(runTransform(loopGuard(limit), deltas)).toEqual(deltas)
  })

  test('that goes through a list passes', () => {
    const list = Array.from({ length: 12_000 }, (_, at) => `Item ${at}: no.\n`).join('')
    const deltas = pieces(list, 11)
    expect(runTransform(loopGuard(limit), deltas)).toEqual(deltas)
  })

  test('with every passage of 2,000 characters four times passes', () => {
    const passages = Array.from({ length: 25 }, (_, at) =>
      thinking(at + 1)
        .slice(0, 2_000)
        .repeat(4),
    )
    const deltas = pieces(passages.join(''), 13)
    expect(runTransform(loopGuard(limit), deltas)).toEqual(deltas)
  })

  test.each([
    ['of one sentence', 'Wait, let me reconsider. '],
    ['of one word', 'No. '],
    ['in Chinese', '让我再想一想。'],
    ['of a paragraph', thinking(3).slice(500, 2_000)],
  ])('that ends in a loop %s is stopped, whatever preceded it', (_name, passage) => {
    const deltas = pieces(thinking(1) + passage.repeat(Math.ceil(250_000 / passage.length)), 17)
    const last = runTransform(loopGuard(limit), deltas).at(-1)
    expect(last).toMatchObject({ type: 'error', error: { code: 'repetition_loop' } })
  })
})
