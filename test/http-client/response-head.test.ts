import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { headReader, plainHead } from '../../src/http-client/response-head.ts'
import { runs } from '../support/effort.ts'

const body = '5\r\nHello\r\n'

/** What a reader makes of a head that comes in pieces of the given size, and of the bytes behind it. */
function readCut(head: string, size: number): unknown {
  const bytes = Buffer.from(head + body, 'latin1')
  const read = headReader()
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size)
    const found = read(piece)
    if (found instanceof Error) return 'an error'
    if (found === undefined) continue
    const { rest, ...others } = found
    return { ...others, rest: bytes.subarray(at + piece.length - rest.length).toString('latin1') }
  }
  return undefined
}

const ok = 'HTTP/1.1 200 OK\r\n'
const plain: [string, string][] = [
  ['no headers', `${ok}\r\n`],
  ['no reason', 'HTTP/1.1 200\r\n\r\n'],
  ['an empty reason', 'HTTP/1.1 200 \r\n\r\n'],
  ['chunks', `${ok}Content-Type: text/event-stream;charset=UTF-8\r\nTransfer-Encoding: Chunked\r\n\r\n`],
  ['a length', `${ok}content-length: 5\r\nx-request-id: a:b\r\n\r\n`],
  ['a connection that ends', `${ok}content-length: 5\r\nConnection: Close\r\n\r\n`],
  ['a connection that stays', `${ok}content-length: 5\r\nConnection: keep-alive\r\nconnection: x\r\n\r\n`],
  ['a body up to the end of the connection', `${ok}server: x\r\n\r\n`],
  ['no body by status', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'],
  ['values without spaces, with several, and none', `${ok}a:b\r\nc: \t d e \t\r\nf:\r\n\r\n`],
]
const others: [string, string][] = [
  ['an older version', 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n'],
  ['an interim response', `HTTP/1.1 100 Continue\r\n\r\n${ok}content-length: 5\r\n\r\n`],
  ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
  ['a status that does not exist', 'HTTP/1.1 600 X\r\n\r\n'],
  ['lines that end with a line feed alone', 'HTTP/1.1 200 OK\ncontent-length: 5\n\r\n\r\n'],
  ['a folded line', `${ok}a: b\r\n c\r\n\r\n`],
  ['a name with a space behind it', `${ok}content-length : 5\r\n\r\n`],
  ['a line without a colon', `${ok}abc\r\n\r\n`],
  ['a carriage return inside', `${ok}a: b\rc\r\n\r\n`],
  ['a value outside of ASCII', `${ok}a: \u00e9\r\n\r\n`],
  ['two lengths', `${ok}content-length: 5\r\ncontent-length: 6\r\n\r\n`],
  ['the same length twice', `${ok}content-length: 5\r\ncontent-length: 5\r\n\r\n`],
  ['a length that is none', `${ok}content-length: +5\r\n\r\n`],
  ['a length and chunks', `${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`],
  ['another encoding', `${ok}transfer-encoding: gzip, chunked\r\n\r\n`],
  ['an empty line before it', `\r\n${ok}\r\n`],
]

describe('a head that comes in one read is read as if it came in many:', () => {
  test.each([...plain, ...others])('%s', (_name, head) => {
    for (const size of [1, 7]) expect(readCut(head, 1_000)).toEqual(readCut(head, size))
  })

  test('any', () => {
    const line = fc.constantFrom(
      ...['a: b', 'content-length: 5', 'Content-Length:5', 'transfer-encoding: chunked', 'connection: close'],
      ...['connection: keep-alive', 'upgrade: x', ' folded', 'none', 'x:\ty', 'a\u0000: b', 'b: \u0000', ': c', ''],
    )
    const start = fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 204', 'HTTP/1.0 200 OK', 'HTTP/1.1 404 Not: Found')
    const head = fc.tuple(start, fc.array(line, { maxLength: 5 }), fc.constantFrom('\r\n', '\n'))
    fc.assert(
      fc.property(head, ([first, lines, end]) => {
        const text = [first, ...lines, '', ''].join(end)
        expect(readCut(text, 1_000)).toEqual(readCut(text, 1))
      }),
      { numRuns: runs(300) },
    )
  })
})

test.each(plain)('with %s, the parser is not needed', (_name, head) => {
  expect(plainHead(Buffer.from(head + body))?.rest.toString()).toBe(body)
})

test.each(others)('%s is left to the parser', (_name, head) => {
  expect(plainHead(Buffer.from(head + body, 'latin1'))).toBeUndefined()
})

test('the next head on a connection is read anew, in one read or in several', () => {
  const read = headReader()
  const [first = '', second = ''] = [`${ok}a: 1\r\n\r\n`, `${ok}b: 2\r\n\r\n`]
  expect(read(Buffer.from(first))).toMatchObject({ headers: ['a', '1'] })
  expect(read(Buffer.from(second.slice(0, 20)))).toBeUndefined()
  expect(read(Buffer.from(second.slice(20)))).toMatchObject({ headers: ['b', '2'] })
  expect(read(Buffer.from(first))).toMatchObject({ headers: ['a', '1'] })
})
