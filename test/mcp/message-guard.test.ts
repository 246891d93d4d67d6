import { expect, test } from 'bun:test'
import { messageGuard } from '../../src/mcp/message-guard.ts'

const levels = 'a message of more than 3 levels'
const values = 'a message of more than 6 values'

test.each<['json' | 'events', string, string | undefined]>([
  ['json', '[[[1]]]', undefined],
  ['json', '[[[[1]]]]', levels],
  ['json', '{"a":{"b":{"c":[1]}}}', levels],
  ['json', '[1],[2],[3]', undefined],
  ['json', '["[[[[[[,,,,,,"]', undefined],
  ['json', String.raw`["\"[[[[[["]`, undefined],
  ['json', String.raw`["\\",[[[1]]]]`, levels],
  ['json', '[\n\n[\n\n[\n\n[1]]]]', levels],
  ['json', '[1,2,3,4,5,6]', undefined],
  ['json', '[1,2,3,4,5,6,7]', values],
  ['json', '[1,2,3,\n\n4,5,6,7]', values],
  ['json', '[{},{},{},{}]', values],
  ['events', 'data: [[[1]]]', undefined],
  ['events', 'data:[[[[1]]]]', levels],
  ['events', "data: it's [[[\n\ndata: [[[1]]]", undefined],
  ['events', 'data: [[[\r\n\r\ndata: [[[1]]]', undefined],
  ['events', 'data: [[[\r\rdata: [[[1]]]', undefined],
  ['events', 'data: a quote " alone\n\ndata: [[[[1]]]]', levels],
  ['events', 'data: [[\ndata: [[1]]]]', levels],
  ['events', 'data: [[\n: ]]\ndata: [[1]]', levels],
  ['events', 'data: [[\r: ]]\rdata: [[1]]', levels],
  ['events', 'data: [[\r\n: ]]\r\ndata: [[1]]', levels],
  ['events', 'data: [[\nid: ]]\ndata: [[1]]', levels],
  ['events', ': [[[[,,,,,,,\nevent: [[[[\ndata: 1', undefined],
  ['events', 'data: [1,2,3,4]\n\ndata: [1,2,3,4]', undefined],
  ['events', 'data: [1,2,3,\ndata: 4,5,6,7]', values],
])('in %s, %j', (kind, text, tooMuch) => {
  const guard = () => messageGuard({ levels: 3, values: 6 }, kind === 'events')
  const bytes = new TextEncoder().encode(text)
  expect(guard()(bytes)).toBe(tooMuch)
  const inPieces = guard()
  const found = [...bytes].map((byte) => inPieces(Uint8Array.of(byte)))
  expect(found.find((words) => words !== undefined)).toBe(tooMuch)
})
