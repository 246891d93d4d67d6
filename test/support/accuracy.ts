import { createTextCounter } from '../../src/tokens/text-counter.ts'
import type { Vocabulary } from '../../src/tokens/vocabulary.ts'

export interface Accuracy {
  kind: string
  characters: number
  /** By the vocabulary, letter for letter. */
  full: number
  /** As the gateway counts what is too long for that. */
  sampled: number
  /** Of `full`; negative is too low. */
  offPercent: number
}

/** How far sampling is off, for each text and for all of them in one request. */
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
