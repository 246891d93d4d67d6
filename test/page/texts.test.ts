import { expect, test } from 'bun:test'
import { texts } from '../../src/page/texts/index.ts'

const plain = Object.entries(texts).flatMap(([name, [en, zh]]) =>
  typeof en === 'string' && typeof zh === 'string' ? [[name, en, zh] as const] : [],
)

test('no text is empty', () => {
  expect(plain.filter(([, en, zh]) => en.trim() === '' || zh.trim() === '')).toEqual([])
})

test('English has no exclamation marks and says neither please nor oops', () => {
  expect(plain.filter(([, en]) => /!|\b(?:please|oops)\b/i.test(en))).toEqual([])
})

test('Chinese keeps a space beside Latin words, has full-width marks, and says 你', () => {
  const cramped = /[一-鿿][A-Za-z0-9]|[A-Za-z0-9][一-鿿]/
  expect(plain.filter(([, , zh]) => cramped.test(zh))).toEqual([])
  expect(plain.filter(([, , zh]) => /[一-鿿][,;?!]|您/.test(zh))).toEqual([])
})
