import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { appendText } from '../../src/core/append-text.ts'

/** A text of fewer than a million characters: of a longer one, half may be in pieces. */
const words = 150_000

function heldBytes(): number {
  Bun.gc(true)
  const { heapSize, extraMemorySize } = heapStats()
  return heapSize + extraMemorySize
}

test('a text that grows by pieces is their sum', () => {
  const pieces = Array.from({ length: 20_000 }, (_, place) => '世界🙂 a'.repeat(place % 3) + place)
  let text = ''
  for (const piece of pieces) text = appendText(text, piece)
  expect(text === pieces.join('')).toBe(true)
  expect(appendText('', '')).toBe('')
  expect(appendText(text, '')).toBe(text)
})

test('it takes the memory of its characters', () => {
  const before = heldBytes()
  let text = ''
  for (let word = 0; word < words; word++) text = appendText(text, `${word} `)
  // 0.9 MB of characters, and a copy that the engine has not let go of; 13.5 MB where each piece is kept.
  expect(heldBytes() - before).toBeLessThan(6_000_000)
  expect(text.length).toBe(938_890)
})
