import { type Combination, combinations, type DialectId } from './cell.ts'
import type { Feature, Note, Words } from './feature.ts'
import { features } from './features.ts'

const titles = {
  'openai-chat': 'Chat Completions',
  'anthropic-messages': 'Messages',
  'openai-responses': 'Responses',
  gemini: 'Gemini',
  'ollama-chat': 'Ollama',
} satisfies Record<DialectId, string>

/** What the tests found: whether the feature is there. */
export type Findings = Map<string, boolean>

export function keyOf(feature: Feature, { dialect, upstream }: Combination): string {
  return `${feature.name.en} · ${dialect} · ${upstream}`
}

export function notesAt({ notes = [] }: Feature, { dialect, upstream }: Combination): Note[] {
  return notes.filter(
    ({ where }) => (where.dialect ?? dialect) === dialect && (where.upstream ?? upstream) === upstream,
  )
}

/** The findings as Markdown: a table, and its footnotes in the order they are met. */
export function conformanceTable(findings: Findings, language: keyof Words): string {
  const footnotes: string[] = []
  const rows = features.map(
    (feature) => `| ${[feature.name[language], ...combinations.map((at) => mark(feature, at))].join(' | ')} |`,
  )
  const heads = combinations.map(({ dialect, upstream }) => `${titles[dialect]}<br>\`${upstream}\``)
  return [
    `| | ${heads.join(' | ')} |`,
    `|---|${':-:|'.repeat(combinations.length)}`,
    ...rows,
    '',
    ...footnotes.map((words, at) => `${at + 1}. ${words}`),
    '',
  ].join('\n')

  function mark(feature: Feature, combination: Combination): string {
    const found = findings.get(keyOf(feature, combination))
    if (found === undefined) throw new Error(`nobody tried ${keyOf(feature, combination)}`)
    const numbers = notesAt(feature, combination).map((note) => superscript(numberOf(note[language])))
    return `${found ? '✓' : '–'}${numbers.join(' ')}`
  }

  function numberOf(words: string): number {
    if (!footnotes.includes(words)) footnotes.push(words)
    return footnotes.indexOf(words) + 1
  }
}

function superscript(number: number): string {
  return String(number).replaceAll(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)] ?? '')
}
