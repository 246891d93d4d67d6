import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type DiffLine, diffLines } from '../../src/page/bodies/diff-lines.ts'

const kinds = (lines: readonly DiffLine[]) =>
  lines.map(({ kind, text }) => `${{ same: ' ', del: '-', add: '+' }[kind]}${text}`)

describe('a comparison of lines', () => {
  test.each([
    ['nothing with nothing', '', '', []],
    ['the same', 'a b', 'a b', [' a', ' b']],
    ['a line more', 'a b', 'a x b', [' a', '+x', ' b']],
    ['a line less', 'a x b', 'a b', [' a', '-x', ' b']],
    ['a line changed', 'a b c', 'a x c', [' a', '-b', '+x', ' c']],
    ['all of it', 'a b', 'c', ['-a', '-b', '+c']],
  ])('%s', (_what, left, right, expected) => {
    expect(kinds(diffLines(left.split(' ').filter(Boolean), right.split(' ').filter(Boolean)))).toEqual(expected)
  })

  test('holds both texts whole and in order, each line by its number', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 })
    fc.assert(
      fc.property(text, text, (left, right) => {
        const lines = diffLines(left, right)
        const of = (side: 'left' | 'right') => lines.filter((line) => line[side] !== undefined)
        expect(of('left').map((line) => line.text)).toEqual(left)
        expect(of('right').map((line) => line.text)).toEqual(right)
        expect(of('left').map((line) => line.left)).toEqual(left.map((_, n) => n + 1))
        expect(of('right').map((line) => line.right)).toEqual(right.map((_, n) => n + 1))
        expect(lines.filter(({ kind }) => kind === 'same').every(({ left: l, right: r }) => l && r)).toBe(true)
      }),
    )
  })

  test('gives up on texts that have nothing in common, in little time', () => {
    const left = Array.from({ length: 3000 }, (_, n) => `l${n}`)
    const right = Array.from({ length: 3000 }, (_, n) => `r${n}`)
    expect(diffLines(left, right).filter(({ kind }) => kind === 'same')).toEqual([])
  })
})
