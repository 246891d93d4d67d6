import { isIP } from 'node:net'
import type { Socket, SocketHandler } from 'bun'
import { HTTPParser } from 'http-parser-js'
import { chunkReader } from './chunked.ts'
import type { Flow, Sink } from './inbox.ts'
import type { Lookup } from './names.ts'
import { pieceOf } from './piece.ts'

/** Hears the answer to one request. */
export interface Listener {
  /** Names and values in turn, as they came. What is returned hears the body. */
  head(status: number, headers: readonly string[]): Sink
  /** There is no answer. */
  fail(cause: unknown): void
}

export interface Connections {
  /** Sends a whole HTTP/1.1 request, on a connection that is idle where there is one. */
  ask(to: URL, request: Uint8Array, listener: Listener): Flow
}

interface Connection {
  /** What is returned moves this answer alone: once it has ended, the connection may be another's. */
  send(request: Uint8Array, listener: Listener): Flow
}

/** What a socket tells its connection. */
interface Ears {
  secure: boolean
  ready(socket: Socket<Ears>): void
  heard(bytes: Buffer): void
  flush(): void
  gone(cause?: unknown): void
}

/** How long a connection waits for its next request. Servers usually close theirs after a minute or more. */
const idleSeconds = 30

/**
 * HTTP/1.1 over Bun's own sockets, one request at a time on each; answers are read by http-parser-js, but for their
 * chunks.
 *
 * Names are not left to `Bun.connect`: it may wait for ever for one that `fetch` looks up at the same moment (Bun
 * 1.4.5, one in fifteen such pairs).
 */
export function createConnections(lookup: Lookup): Connections {
  const idle = new Map<string, Connection[]>()

  return {
    ask(to, request, listener) {
      const connection = idle.get(to.origin)?.pop() ?? connect(to, lookup, (one) => shelve(to.origin, one))
      return connection.send(request, listener)
    },
  }

  function shelve(origin: string, connection: Connection): () => void {
    const shelf = idle.get(origin) ?? []
    idle.set(origin, shelf)
    shelf.push(connection)
    return () => {
      const place = shelf.indexOf(connection)
      if (place >= 0) shelf.splice(place, 1)
    }
  }
}

/** `shelve` keeps it for the next request, and returns what takes it down again. */
function connect(to: URL, lookup: Lookup, shelve: (connection: Connection) => () => void): Connection {
  const secure = to.protocol === 'https:'
  const parser = new HTTPParser(HTTPParser.RESPONSE)
  let socket: Socket<Ears> | undefined
  let closed = false
  let unsent: Uint8Array | undefined
  let listener: Listener | undefined
  let sink: Sink | undefined
  // A 100 or 103 before the answer is not the answer.
  let isInterim = false
  let keepsAlive = false
  // For a body that comes in chunks, which the parser would hand over one by one.
  let readChunks: ((bytes: Buffer) => void) | undefined
  let unshelve = () => {}

  parser[HTTPParser.kOnHeadersComplete] = ({ statusCode, headers, shouldKeepAlive }) => {
    isInterim = statusCode < 200
    keepsAlive = shouldKeepAlive
    if (!isInterim) sink = listener?.head(statusCode, headers)
    if (sink === undefined || !hasChunks(statusCode, headers)) return undefined
    readChunks = chunkReader({ push: sink.push, end: endChunks, fail: gone })
    return leaveBody
  }
  parser[HTTPParser.kOnBody] = (bytes) => sink?.push(pieceOf(bytes))
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (!isInterim && readChunks === undefined) end()
  }

  const connection: Connection = {
    send(request, hearing) {
      unsent = request
      listener = hearing
      unshelve()
      socket?.timeout(0)
      flush()
      const isUnderWay = () => listener === hearing
      return {
        pause: () => isUnderWay() && socket?.pause(),
        resume: () => isUnderWay() && socket?.resume(),
        close: () => isUnderWay() && close(),
      }
    },
  }
  void open()
  return connection

  async function open(): Promise<void> {
    const host = to.hostname.replace(/^\[|\]$/g, '')
    const port = Number(to.port || (secure ? 443 : 80))
    const tls = secure ? { tls: { serverName: host, rejectUnauthorized: true } } : {}
    const data: Ears = { secure, ready, heard, flush, gone }
    let failure: unknown
    try {
      for (const { address } of isIP(host) ? [{ address: host }] : await lookup(host)) {
        if (closed) return
        try {
          await Bun.connect({ hostname: address, port, ...tls, data, socket: handler })
          return
        } catch (cause) {
          failure = cause
        }
      }
    } catch (cause) {
      failure = cause
    }
    gone(failure)
  }

  function close(): void {
    closed = true
    socket?.terminate()
  }

  function ready(opened: Socket<Ears>): void {
    socket = opened
    if (closed) opened.terminate()
    else flush()
  }

  function flush(): void {
    if (socket === undefined || unsent === undefined) return
    const written = Math.max(0, socket.write(unsent))
    unsent = written < unsent.length ? unsent.subarray(written) : undefined
  }

  function heard(bytes: Buffer): void {
    const wasAsked = listener !== undefined
    if (wasAsked) read(bytes)
    if (listener !== undefined) return
    // An answer before the whole question, or to none: nobody knows what would come next.
    if (closed || !wasAsked || !keepsAlive || unsent !== undefined) close()
    else rest()
  }

  function read(bytes: Buffer): void {
    const parsed = readChunks ? 0 : parser.execute(bytes)
    if (parsed instanceof Error) gone(parsed)
    else if (parsed < bytes.length) readChunks?.(parsed === 0 ? bytes : bytes.subarray(parsed))
  }

  function endChunks(surplus: number): void {
    readChunks = undefined
    // What would it be the answer to?
    if (surplus > 0) keepsAlive = false
    end()
  }

  function end(): void {
    const heard = sink
    sink = undefined
    listener = undefined
    heard?.end()
  }

  function rest(): void {
    socket?.resume() // it may have been held back when its end came
    socket?.timeout(idleSeconds)
    unshelve = shelve(connection)
  }

  function gone(cause?: unknown): void {
    unshelve()
    // The end of the connection is the end of a body that has no length.
    if (cause === undefined && !closed) parser.finish()
    closed = true
    const hearing = sink ?? listener
    sink = undefined
    listener = undefined
    hearing?.fail(cause ?? brokenOff())
    socket?.terminate()
  }
}

/** Tells the parser that somebody else reads on. */
const leaveBody = 2

function hasChunks(status: number, headers: readonly string[]): boolean {
  if (status < 200 || status === 204 || status === 304) return false
  return headers.some((name, at) => at % 2 === 0 && isChunked(name, headers[at + 1] ?? ''))
}

function isChunked(name: string, value: string): boolean {
  return name.toLowerCase() === 'transfer-encoding' && value.toLowerCase() === 'chunked'
}

// One for all sockets: Bun keeps a context for each.
const handler: SocketHandler<Ears> = {
  open(socket) {
    if (!socket.data.secure) socket.data.ready(socket)
  },
  handshake(socket, trusted, problem) {
    // Not a byte goes to a server that could not show who it is.
    if (trusted && !problem) socket.data.ready(socket)
    else {
      socket.data.gone(problem)
      socket.terminate()
    }
  },
  data(socket, bytes) {
    // Nor is one heard from it: what comes before the handshake is over may be anybody's.
    const ears = socket.data
    if (!ears.secure || socket.authorized) ears.heard(bytes)
  },
  drain: (socket) => socket.data.flush(),
  timeout: (socket) => void socket.terminate(),
  close: (socket, error) => socket.data.gone(error),
  error: (socket, error) => socket.data.gone(error),
  connectError() {}, // the promise of the connection tells
}

function brokenOff(): Error {
  return Object.assign(new Error('The connection closed before the answer was complete.'), { code: 'ECONNRESET' })
}
