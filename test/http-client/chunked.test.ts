import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { HTTPParser } from 'http-parser-js'
import { bytesOf } from '../../src/http-client/byte-range.ts'
import { chunkReader } from '../../src/http-client/chunked.ts'
import { runs } from '../support/effort.ts'

interface Read {
  text: string
  failure: string | undefined
  over: boolean
  surplus: number
}

/** Reads a body in pieces of the given size. */
function readCut(body: string, size: number): Read {
  const received: Read = { text: '', failure: undefined, over: false, surplus: 0 }
  const read = chunkReader({
    push(content) {
      received.text += bytesOf(content).toString('latin1')
    },
    end(surplus) {
      received.over = true
      received.surplus = surplus
    },
    fail({ message }) {
      received.failure = message
    },
  })
  for (let at = 0; at < body.length && !received.over && !received.failure; at += size)
    read(Buffer.from(body.slice(at, at + size), 'latin1'))
  return received
}

const whole = { failure: undefined, over: true, surplus: 0 }

describe('a chunked body is read', () => {
  test.each<[string, string, string]>([
    ['one', '5\r\nHello\r\n0\r\n\r\n', 'Hello'],
    ['several as one text', '5\r\nHello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n', 'Hello, world'],
    ['line breaks inside', '4\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n\r\n'],
    [
      'a size in letters of either case',
      `1A\r\n${'x'.repeat(26)}\r\nb\r\n${'y'.repeat(11)}\r\n0\r\n\r\n`,
      `${'x'.repeat(26)}${'y'.repeat(11)}`,
    ],
    ['a size with zeros before it', '0005\r\nHello\r\n000\r\n\r\n', 'Hello'],
    ['no extension', '5;a=b;c="d"\r\nHello\r\n0;e\r\n\r\n', 'Hello'],
    ['no space behind a size', '5 \r\nHello\r\n0\r\n\r\n', 'Hello'],
    ['no trailer', '5\r\nHello\r\n0\r\nx-checksum: 1\r\ny: 2\r\n\r\n', 'Hello'],
    ['what ends its lines with a line feed alone', '5\nHello\n0\n\n', 'Hello'],
    ['nothing', '0\r\n\r\n', ''],
  ])('%s', (_name, body, text) => {
    for (const size of [body.length, 1, 2, 3, 7]) expect(readCut(body, size)).toEqual({ ...whole, text })
  })

  test('without the bytes after its end', () => {
    expect(readCut('1\r\na\r\n0\r\n\r\nHTTP/1.1', 100)).toEqual({ ...whole, text: 'a', surplus: 8 })
  })

  test('without an end if the body is cut', () => {
    const body = '5\r\nHello\r\n0\r\nx: y\r\n\r\n'
    for (let size = 0; size < body.length; size++) expect(readCut(body.slice(0, size), 100).over).toBe(false)
  })
})

test.each<[string, string]>([
  ['a size that is no number', 'x\r\n'],
  ['no size', '\r\n'],
  ['a size with a sign', '-1\r\n'],
  ['a size beyond all bounds', `${'1'.repeat(13)}\r\n`],
  ['more content than was announced', '1\r\nab\r\n'],
  ['an extension without end', `1;${'x'.repeat(20_000)}`],
  ['a trailer without end', `0\r\n${'x'.repeat(20_000)}`],
])('%s is not a chunk', (_name, body) => {
  for (const size of [body.length + 9, 1]) {
    const { text, failure, over } = readCut(`2\r\nHi\r\n${body}`, size)
    expect(failure).toStartWith('A chunk of the answer has no proper')
    expect([text.slice(0, 2), over]).toEqual(['Hi', false])
  }
})

test('it reads what http-parser-js reads, however the body is split', () => {
  const chunk = fc.tuple(fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }), fc.constantFrom('', ';x=1'))
  fc.assert(
    fc.property(fc.array(chunk), fc.integer({ min: 1, max: 60 }), (chunks, size) => {
      const written = chunks.map(([text, extension]) => `${text.length.toString(16)}${extension}\r\n${text}\r\n`)
      const body = `${written.join('')}0\r\n\r\n`
      expect(readCut(body, size)).toEqual({ ...whole, text: judged(body) })
    }),
    { numRuns: runs(500) },
  )
})

function judged(body: string): string {
  const parser = new HTTPParser(HTTPParser.RESPONSE)
  let text = ''
  parser[HTTPParser.kOnHeadersComplete] = () => undefined
  parser[HTTPParser.kOnMessageComplete] = () => {}
  parser[HTTPParser.kOnBody] = (piece) => {
    text += piece.toString('latin1')
  }
  parser.execute(Buffer.from(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body}`, 'latin1'))
  return text
}
