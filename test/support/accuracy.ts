import { createTextCounter } from '../../src/tokens/text-counter.ts'
import type { Vocabulary } from '../../src/tokens/vocabulary.ts'

export interface Accuracy {
  kind: string
  characters: number
  /** The exact count by the vocabulary. */
  full: number
  /** The gateway's count from samples. */
  sampled: number
  /** The error of the sampled count in percent of `full`; negative if it is too low. */
  offPercent: number
}

/** The error of sampling, for each text and for all of them in one request. */
export function measureAccuracy(texts: Record<string, string>, vocabulary: Vocabulary): Accuracy[] {
  const all = Object.values(texts)
  const full = all.map(vocabulary)
  const rows = Object.entries(texts).map(([kind, text], index) => row(kind, [text], full[index] ?? 0))
  return [
    ...rows,
    row(
      'All in one request',
      all,
      full.reduce((sum, tokens) => sum + tokens, 0),
    ),
  ]

  function row(kind: string, texts: string[], full: number): Accuracy {
    const sampled = createTextCounter(vocabulary)(texts)
    const characters = texts.reduce((sum, { length }) => sum + length, 0)
    return { kind, characters, full, sampled, offPercent: (sampled / full - 1) * 100 }
  }
}

/** The table for the README. */
export function accuracyTable(rows: readonly Accuracy[]): string {
  const number = (value: number) => value.toLocaleString('en')
  const lines = rows.map(
    ({ kind, characters, full, sampled, offPercent }) =>
      `| ${kind} | ${number(characters)} | ${number(full)} | ${number(sampled)} | ${offPercent < 0 ? '−' : '+'}${Math.abs(offPercent).toFixed(1)} % |`,
  )
  return [
    '| Text | Characters | Tokens | Sampled | Off by |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...lines,
    '',
  ].join('\n')
}

if (import.meta.main) {
  const { loadVocabulary } = await import('../../src/tokens/vocabulary.ts')
  const { sampleTexts } = await import('./texts.ts')
  console.log(accuracyTable(measureAccuracy(await sampleTexts(), await loadVocabulary())))
}
