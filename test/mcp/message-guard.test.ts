import { expect, test } from 'bun:test'
import { messageGuard } from '../../src/mcp/message-guard.ts'

const levels = 'a message of more than 3 levels'
const values = 'a message of more than 6 values'
const messages = 'more than 4 messages'

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
  ['json', '["long text, with [[[ and \\" in it",[[[1]]]]', levels],
  ['events', 'data: ["long text, with [[[ and \\" in it"]\n\n', undefined],
  ['events', 'data: ["cut off\n: "[[[[\ndata: [[[1', undefined],
  ['events', 'data: ["cut off\r\n\r\ndata: [[[[1', levels],
  ['events', 'data: 1\n\n'.repeat(4), undefined],
  ['events', 'data: 1\n\n'.repeat(5), messages],
  ['events', '\r\n\r\r\n\r\r', messages],
  ['events', '\ufeffdata: [[[[1]]]]', levels],
  ['events', '\ufeff\ufeff\u00ef\u00bb\u00bfdata: [[[[1]]]]', levels],
  ['events', 'id: 1\n\ufeffdata: [[[[1]]]]', undefined],
  ['events', ': [[[[,,,,,,,\nevent: [[[[\ndata: 1', undefined],
  ['events', 'data: [1,2,3,4]\n\ndata: [1,2,3,4]', undefined],
  ['events', 'data: [1,2,3,\ndata: 4,5,6,7]', values],
])('in %s, %j', (kind, text, tooMuch) => {
  const guard = () => messageGuard({ levels: 3, values: 6, messages: 4 }, kind === 'events')
  const bytes = new TextEncoder().encode(text)
  expect(guard().read(bytes)).toBe(tooMuch)
  const inPieces = guard()
  const found = [...bytes].map((byte) => inPieces.read(Uint8Array.of(byte)))
  expect(found.find((words) => words !== undefined)).toBe(tooMuch)
})

test('a list of messages is short', () => {
  const guard = () => messageGuard({ levels: 9, values: 1_000, messages: 4 }, false)
  const bytes = (text: string) => new TextEncoder().encode(text)
  const list = (size: number) => bytes(` [${Array(size).fill('{"a":[1,2]}').join(', ')}]`)
  expect([guard().read(list(50)), guard().read(list(51))]).toEqual([undefined, 'a list of more than 50 messages'])
  expect(guard().read(bytes(`{"a":[${'1,'.repeat(100)}1]}`))).toBeUndefined()
})

test.each([
  ['id: 1\ndata: 1\n\n', true],
  ['data: id: 1\n\n', false],
  [': id\r\nid:7', true],
  ['ids: 1\n\n', false],
])('%j numbers its events: %p', (text, isNumbered) => {
  for (const size of [1, text.length]) {
    const guard = messageGuard({ levels: 9, values: 9, messages: 9 }, true)
    for (let at = 0; at < text.length; at += size) guard.read(new TextEncoder().encode(text.slice(at, at + size)))
    expect(guard.isNumbered()).toBe(isNumbered)
  }
})

test('the cost is that of all messages together', () => {
  const guard = messageGuard({ levels: 9, values: 1_000, messages: 99 }, true)
  guard.read(new TextEncoder().encode('data: [1,2,3]\n\ndata: [1,2,3]\n\n: [1,2,3]\ndata: [1'))
  expect(guard.cost()).toBe(2 * 500 + 3 + 3 + 1 + 5)
})
