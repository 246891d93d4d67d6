import { expect, test } from 'bun:test'
import { matchesPattern } from '../../src/core/name-pattern.ts'

test.each<[string, string, boolean]>([
  ['glm-4.6', 'GLM-4.6', true],
  ['glm-4.6', 'glm-4.6v', false],
  ['GLM-4.*', 'glm-4.6', true],
  ['glm-4.*', 'glm-456', false],
  ['*-air', 'glm-4.5-air', true],
  ['*4*air*', 'glm-4.5-airx', true],
  ['a*a', 'a', false],
  ['**', '', true],
])('%s and %s: %p', (pattern, name, fits) => {
  expect(matchesPattern(pattern, name)).toBe(fits)
})

test('many stars are answered at once, whatever the name', () => {
  expect(matchesPattern(`${'*a'.repeat(100)}b`, 'a'.repeat(256))).toBe(false)
})
