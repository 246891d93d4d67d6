import { expect, test } from 'bun:test'
import type { Delta } from '../../src/core/events.ts'
import { runTransform } from '../../src/core/transform.ts'
import { placeReasoning, type ReasoningMode } from '../../src/gateway/reasoning-placement.ts'

const deltas: Delta[] = [
  { type: 'reasoning', text: '\nFirst' },
  { type: 'reasoning', text: ' thought.\nSecond.\n' },
  { type: 'text', text: 'Answer' },
  { type: 'reasoning', text: 'More.' },
  { type: 'tool-call', key: '0', name: 'f', arguments: '{}' },
  { type: 'finish', reason: 'stop' },
]

function textIn(mode: ReasoningMode): string {
  return runTransform(placeReasoning(mode), deltas)
    .map((delta) => (delta.type === 'text' ? delta.text : `(${delta.type})`))
    .join('')
}

test.each<[string, ReasoningMode, string]>([
  ['think leaves reasoning where it is', 'think', '(reasoning)(reasoning)Answer(reasoning)(tool-call)(finish)'],
  ['strip removes it', 'strip', 'Answer(tool-call)(finish)'],
  [
    'tags puts it into the text',
    'tags',
    '<thinking>\nFirst thought.\nSecond.\n</thinking>\n\nAnswer<thinking>\nMore.\n</thinking>\n\n(tool-call)(finish)',
  ],
  [
    'raw writes it as the web backend does',
    'raw',
    '<details type="reasoning" done="true">\n> First thought.\n> Second.\n</details>\nAnswer<details type="reasoning" done="true">\n> More.\n</details>\n(tool-call)(finish)',
  ],
])('%s', (_name, mode, expected) => {
  expect(textIn(mode)).toBe(expected)
})

test('a tag is closed in front of a block of its own', () => {
  const search: Delta = {
    type: 'server-tool',
    tool: { id: 's', name: 'search', arguments: '{}', kind: 'web-search', sources: [] },
  }
  expect(runTransform(placeReasoning('tags'), [{ type: 'reasoning', text: 'a' }, search])).toEqual([
    { type: 'text', text: '<thinking>\na' },
    { type: 'text', text: '\n</thinking>\n\n' },
    search,
  ])
})

test.each<[ReasoningMode, string]>([
  ['tags', '<thinking>\na\nb\n</thinking>\n\nc'],
  ['raw', '<details type="reasoning" done="true">\n> a\n> b\n</details>\nc'],
])('%s: a usage delta in the middle of the reasoning does not close it', (mode, expected) => {
  const usage: Delta = { type: 'usage', usage: { inputTokens: 1, outputTokens: 2 } }
  const deltas: Delta[] = [
    { type: 'reasoning', text: 'a\n' },
    usage,
    { type: 'reasoning', text: 'b' },
    usage,
    { type: 'text', text: 'c' },
  ]
  const shown = runTransform(placeReasoning(mode), deltas)
  expect(shown.map((delta) => (delta.type === 'text' ? delta.text : '')).join('')).toBe(expected)
  expect(shown.filter(({ type }) => type === 'usage')).toEqual([usage, usage])
})

test('many line breaks in the middle of a reasoning stay, and cost no more than other text', () => {
  const reasoning = `One.${'\n'.repeat(1_000_000)}Two.\n`
  const placed = runTransform(placeReasoning('tags'), [{ type: 'reasoning', text: reasoning }])
  const text = placed.map((delta) => (delta.type === 'text' ? delta.text : '')).join('')
  expect(text === `<thinking>\n${reasoning}</thinking>\n\n`).toBe(true)
})

test('a cut stream still closes its tag', () => {
  expect(runTransform(placeReasoning('tags'), [{ type: 'reasoning', text: 'a' }])).toEqual([
    { type: 'text', text: '<thinking>\na' },
    { type: 'text', text: '\n</thinking>\n\n' },
  ])
})
