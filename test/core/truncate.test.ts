import { expect, test } from 'bun:test'
import { fieldPath, truncate, truncateList } from '../../src/core/truncate.ts'

test.each([
  ['a'.repeat(100), 'a'.repeat(100)],
  ['a'.repeat(101), `${'a'.repeat(100)}...`],
  [`a${'😀'.repeat(60)}`, `a${'😀'.repeat(49)}\ufffd...`],
  ['a\ud83d', 'a\ufffd'],
])('a long name is cut, without lone surrogates', (name, expected) => {
  expect(truncate(name)).toBe(expected)
})

test.each([
  [['tools', '0', 'input_schema'], 'tools.0.input_schema'],
  [[' ', 'a.b', ''], '" "."a.b".""'],
  [['line\nbreak'], '"line\\nbreak"'],
])('%j is one path', (keys, path) => {
  expect(fieldPath(keys)).toBe(path)
})

test.each([
  [[], ''],
  [['top_k', 'container'], 'top_k, container'],
  [Array.from({ length: 12 }, () => 'x'.repeat(98)), `${Array(10).fill('x'.repeat(98)).join(', ')}, and 2 more`],
])('a long list of names is cut', (names, list) => {
  expect(truncateList(names)).toBe(list)
})
