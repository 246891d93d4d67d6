import { expect, test } from 'bun:test'
import { nestingGuard } from '../../src/mcp/nesting-guard.ts'

test.each<[string, boolean]>([
  ['[[[1]]]', false],
  ['[[[[1]]]]', true],
  ['{"a":{"b":{"c":[1]}}}', true],
  ['[1],[2],[3],[4]', false],
  ['["[[[[[["]', false],
  [String.raw`["\"[[[[[["]`, false],
  [String.raw`["\\",[[[1]]]]`, true],
  ["data: it's [[[\n\ndata: [[[1]]]", false],
  ['data: [[[\r\n\r\ndata: [[[1]]]', false],
  [': ]]]]\ndata: [[[[1]]]]', true],
  ['data: a quote " alone\ndata: [[[[1]]]]', true],
])('%s', (text, isTooDeep) => {
  const bytes = new TextEncoder().encode(text)
  expect(nestingGuard(3)(bytes)).toBe(isTooDeep)
  const inPieces = nestingGuard(3)
  expect([...bytes].some((byte) => inPieces(Uint8Array.of(byte)))).toBe(isTooDeep)
})
