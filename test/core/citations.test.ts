import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { citationFinder, numberedLink } from '../../src/core/citations.ts'
import type { WebSource } from '../../src/core/events.ts'

const one = { refId: 'r1', title: 'One', url: 'https://one.example/a_(b)' }
const two = { refId: 'r2', title: 'Two', url: 'https://two.example/?q=[x]' }
const text = `👋 a${numberedLink(1, one.url)}${numberedLink(2, two.url)} [3](https://three.example/) [1](oops) [12`

function found(pieces: readonly string[], sources: readonly WebSource[] = [one, two]): string[] {
  const pages = citationFinder()
  pages.learn(sources)
  return pieces
    .flatMap((piece) => pages.push(piece))
    .map(({ start, end, source }) => `${source.refId} ${text.slice(start, end)}`)
}

const expected = ['r1 [1](https://one.example/a_%28b%29)', 'r2 [2](https://two.example/?q=[x])']

test('links to known pages are found at their positions, and no others', () => {
  expect(found([text])).toEqual(expected)
  expect(found([text], [])).toEqual([])
})

test('the citations are the same wherever the text is cut', () => {
  const cuts = fc.array(fc.nat(text.length), { maxLength: 8 })
  fc.assert(
    fc.property(cuts, (places) => {
      const sorted = [0, ...places.sort((a, b) => a - b), text.length]
      expect(found(sorted.slice(1).map((end, at) => text.slice(sorted[at], end)))).toEqual(expected)
    }),
  )
})

test('positions in a new text start at zero, and the pages stay known', () => {
  const pages = citationFinder()
  pages.push('before anything is known ')
  pages.learn([one])
  pages.push(`and [1`)
  pages.restart()
  expect(pages.push(`](x) ${numberedLink(1, one.url)}`).map(({ start }) => start)).toEqual([5])
})

test.each([
  ['https://one.example/a b', '[7](https://one.example/a%20b)'],
  ['javascript:alert(1)', ''],
])('the link to %p is %p', (url, link) => {
  expect(numberedLink(7, url)).toBe(link)
})
