import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Fetch } from '../../src/http-client/send.ts'

/** One connection, with operations that an HTTP server does not offer. */
export interface Line {
  /** Resolves once the kernel has the bytes. */
  write(bytes: string | Uint8Array): Promise<void>
  close(): void
  reset(): void
  /** Resolves when the other side has gone. */
  gone: Promise<void>
}

/** Answers one request, byte by byte. */
export type Play = (line: Line) => void | Promise<void>

export interface RawUpstream {
  /** `http://127.0.0.1:40000` */
  origin: string
  /** Connections that are open now. */
  open(): number
  /** Requests to the route so far. */
  asked(): number
  /** How the route is answered from now on. */
  play(play: Play): void
  stop(): void
}

export interface RawUpstreamOptions {
  /** `POST /api/paas/v4/chat/completions` */
  route: string
  /** Answers every other route. */
  others: Fetch
  /** Speaks TLS with this certificate. */
  tls?: { key: string; cert: string }
}

/** A plain TCP server on loopback. One route is controlled by the test, the others are answered normally. */
export async function startRawUpstream({ route, others, tls }: RawUpstreamOptions): Promise<RawUpstream> {
  const sockets = new Set<Socket>()
  let asked = 0
  let current: Play = (line) => line.close()
  const server = tls ? createTlsServer(tls, serve) : createServer(serve)
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the upstream did not start')
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}`

  return {
    origin,
    open: () => sockets.size,
    asked: () => asked,
    play: (play) => {
      current = play
    },
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }

  function serve(socket: Socket): void {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let received = Buffer.alloc(0)
    socket.on('data', (piece: Buffer) => {
      received = Buffer.concat([received, piece])
      const request = requestIn(received)
      if (request === undefined) return
      received = Buffer.alloc(0)
      void answer(socket, request)
    })
  }

  async function answer(socket: Socket, { method, path, headers, body }: HeardRequest): Promise<void> {
    const line = lineOf(socket)
    if (`${method} ${path.split('?', 1)[0]}` === route) {
      asked++
      await current(line)
      return
    }
    const init = { method, headers, ...(body === '' ? {} : { body }) }
    const response = await others(`http://localhost${path}`, init)
    const text = await response.text()
    const type = response.headers.get('content-type') ?? 'text/plain'
    await line.write(
      `HTTP/1.1 ${response.status} As Scripted\r\ncontent-type: ${type}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    )
    line.close()
  }
}

function lineOf(socket: Socket): Line {
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        if (socket.destroyed || socket.writableEnded) resolve()
        else socket.write(bytes, () => resolve())
      }),
    close: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    gone: new Promise((resolve) => {
      if (socket.destroyed) resolve()
      socket.once('close', () => resolve())
    }),
  }
}

interface HeardRequest {
  method: string
  path: string
  headers: Record<string, string>
  body: string
}

/** The request, once all of it is there. */
function requestIn(bytes: Buffer): HeardRequest | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const body = bytes.subarray(end + 4)
  if (body.length < Number(headers['content-length'] ?? 0)) return undefined
  const [method = '', path = ''] = first.split(' ')
  return { method, path, headers, body: body.toString() }
}

/** The HTTP head of an event stream, with the given headers about its body. */
export function streamHead(...headers: string[]): string {
  return ['HTTP/1.1 200 OK', 'content-type: text/event-stream', 'connection: close', ...headers, '', ''].join('\r\n')
}

/** One piece of a body in chunked encoding. */
export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

export const lastChunk = '0\r\n\r\n'
