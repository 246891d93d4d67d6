import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { download } from '../../../src/cli/update/download.ts'

let server: Server
let answer: (socket: Socket, request: string) => void
beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes) => answer(socket, String(bytes)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => void server.close())

function url(): string {
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/SHA256SUMS`
}

const ok = (headers: string) => `HTTP/1.1 200 OK\r\n${headers}\r\n\r\n`
const get = (maxBytes = 100, windowMs = 30_000) => download(url(), maxBytes, { windowMs, minBytes: 10 })

describe('a download', () => {
  test('is taken whole, and asked for as it is', async () => {
    let asked = ''
    answer = (socket, request) => {
      asked = request
      socket.end(`${ok('content-length: 5')}bytes`)
    }
    expect(String(Buffer.from(await get()))).toBe('bytes')
    expect(asked.toLowerCase()).toContain('\naccept-encoding: identity\r\n')
  })

  test.each<[string, (socket: Socket) => void, string]>([
    [
      'that says it is too large is refused',
      (socket) => socket.write(ok('content-length: 101')),
      'is larger than 100 bytes',
    ],
    [
      'without an end is refused',
      (socket) => {
        socket.write(ok('connection: close'))
        const more = () => void (socket.writable && socket.write('x'.repeat(50), more))
        more()
      },
      'is larger than 100 bytes',
    ],
    [
      'that is packed though nobody asked for that is refused unopened',
      (socket) =>
        socket.end(Buffer.concat([Buffer.from(ok('content-encoding: gzip')), gzipSync(Buffer.alloc(50_000))])),
      'is sent as gzip',
    ],
    [
      'of a part is refused',
      (socket) => socket.end('HTTP/1.1 206 Partial\r\ncontent-length: 1\r\n\r\nx'),
      'answers 206',
    ],
    [
      'that breaks off is refused',
      (socket) => socket.end(`${ok('content-length: 50')}bytes`),
      'cannot be reached: ECONNRESET: The socket connection was closed unexpectedly$',
    ],
  ])('%s', async (_name, answering, message) => {
    answer = answering
    await expect(get()).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(new RegExp(message)),
    })
  })

  test.each<[string, (socket: Socket) => void]>([
    ['a server that says nothing', () => {}],
    ['a server that stops in the middle', (socket) => socket.write(`${ok('content-length: 50')}bytes`)],
    [
      'a server that sends a byte now and then',
      (socket) => {
        socket.write(ok('content-length: 90'))
        const timer = setInterval(() => socket.write('x'), 10)
        socket.once('close', () => clearInterval(timer))
      },
    ],
  ])('of %s is given up', async (_name, answering) => {
    answer = answering
    await expect(get(100, 50)).rejects.toThrow(/sent less than 10 bytes within 0.05 s/)
  })

  test('goes on for as long as bytes come', async () => {
    let sent = 0
    answer = (socket) => {
      socket.write(ok('content-length: 400'))
      const timer = setInterval(() => {
        socket.write('x'.repeat(20))
        sent += 20
        if (sent === 400) clearInterval(timer)
      }, 10)
    }
    expect(await get(400, 100)).toHaveLength(400)
  })

  test('of a file of this machine has the same limit', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-download-'))
    const file = join(folder, 'SHA256SUMS')
    writeFileSync(file, 'x'.repeat(101))
    await expect(download(String(pathToFileURL(file)), 100)).rejects.toThrow('is larger than 100 bytes')
    expect(await download(String(pathToFileURL(file)), 101)).toHaveLength(101)
    rmSync(folder, { recursive: true })
    await expect(download(String(pathToFileURL(file)), 101)).rejects.toThrow('cannot be read')
  })
})
