import { closeSync, openSync } from 'node:fs'
import { isIP } from 'node:net'
import { devNull } from 'node:os'
import type { Socket, SocketHandler } from 'bun'
import type { Clock } from '../core/clock.ts'
import type { BodySink, FlowControl } from './body-buffer.ts'
import { bodyReader } from './body-framing.ts'
import type { Lookup } from './dns.ts'
import { dial } from './happy-eyeballs.ts'
import { type Head, headReader } from './response-head.ts'

/** Hears the answer to one request. */
export interface ResponseHandlers {
  /** Names and values in turn, as they came. What is returned hears the body. */
  head(status: number, headers: readonly string[]): BodySink
  /** There is no answer; `began` where some of one had come. */
  fail(cause: unknown, began: boolean): void
}

export interface Connections {
  /** Sends a whole HTTP/1.1 request, on a connection that is idle where there is one. */
  request(to: URL, request: Uint8Array, listener: ResponseHandlers): FlowControl
}

interface ClientConnection {
  /** What is returned moves this answer alone: once it has ended, the connection may be another's. */
  send(request: Uint8Array, listener: ResponseHandlers): FlowControl
}

/** What a socket tells its connection. */
interface SocketEvents {
  secure: boolean
  ready(socket: Socket<SocketEvents>): void
  received(bytes: Buffer): void
  drained(): void
  ended(cause?: unknown): void
}

/** How long a connection waits for its next request. Servers usually close theirs after a minute or more. */
const idleSeconds = 30

/**
 * HTTP/1.1 over Bun's own sockets, one request at a time on each; the heads of answers are read by
 * http-parser-js.
 *
 * Names are not left to `Bun.connect`: it may wait for ever for one that `fetch` looks up at the same moment (Bun
 * 1.4.5, one in fifteen such pairs).
 */
export function createConnections(lookup: Lookup, clock: Clock): Connections {
  const idle = new Map<string, ClientConnection[]>()

  return {
    request(to, request, listener) {
      const kept = idle.get(to.origin)?.pop()
      return kept ? askAgain(kept, to, request, listener) : fresh(to).send(request, listener)
    },
  }

  function fresh(to: URL): ClientConnection {
    return connect(to, { lookup, clock, checkIn: (one) => checkIn(to.origin, one) })
  }

  /** A connection that was kept may have died without a word: then the request goes out once more, on a fresh one. */
  function askAgain(kept: ClientConnection, to: URL, request: Uint8Array, listener: ResponseHandlers): FlowControl {
    let isClosed = false
    let flow: FlowControl = kept.send(request, {
      head: listener.head,
      fail(cause, began) {
        if (began || isClosed) listener.fail(cause, began)
        else flow = fresh(to).send(request, listener)
      },
    })
    return {
      pause: () => flow.pause(),
      resume: () => flow.resume(),
      close() {
        isClosed = true
        flow.close()
      },
    }
  }

  function checkIn(origin: string, connection: ClientConnection): () => void {
    const idleConnections = idle.get(origin) ?? []
    idle.set(origin, idleConnections)
    idleConnections.push(connection)
    return () => {
      const place = idleConnections.indexOf(connection)
      if (place >= 0) idleConnections.splice(place, 1)
    }
  }
}

interface ConnectOptions {
  lookup: Lookup
  clock: Clock
  /** Keeps it for the next request, and returns what takes it down again. */
  checkIn(connection: ClientConnection): () => void
}

function connect(to: URL, { lookup, clock, checkIn }: ConnectOptions): ClientConnection {
  const secure = to.protocol === 'https:'
  const readHead = headReader()
  let socket: Socket<SocketEvents> | undefined
  let stopDialling = () => {}
  let closed = false
  let unsent: Uint8Array | undefined
  let listener: ResponseHandlers | undefined
  let body: BodySink | undefined
  // Some of the answer has come.
  let began = false
  let keepsAlive = false
  let readBody: ((bytes: Buffer) => void) | undefined
  // The end of the connection is the end of the body.
  let endsWithConnection = false
  let checkOut = () => {}

  const connection: ClientConnection = {
    send(request, receiver) {
      unsent = request
      listener = receiver
      began = false
      checkOut()
      socket?.timeout(0)
      flush()
      const isUnderWay = () => listener === receiver
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
    try {
      const addresses = isIP(host) ? [host] : (await lookup(host)).map(({ address }) => address)
      if (closed) return
      stopDialling = dial({
        addresses,
        clock,
        attempt: (address, opened, failed) => attempt(host, address, opened, failed),
        failed: lose,
      })
    } catch (cause) {
      lose(cause)
    }
  }

  /** One of several, of which the first that opens becomes the socket. */
  function attempt(host: string, address: string, opened: () => void, failed: (cause: unknown) => void): () => void {
    const port = Number(to.port || (secure ? 443 : 80))
    const tls = secure ? { tls: { serverName: host, rejectUnauthorized: true } } : {}
    let isGivenUp = false
    let own: Socket<SocketEvents> | undefined
    const isChosen = () => own !== undefined && own === socket
    const data: SocketEvents = {
      secure,
      ready(ready) {
        own = ready
        if (isGivenUp || closed) {
          ready.terminate()
          return
        }
        socket = ready
        opened()
        flush()
      },
      received: (bytes) => isChosen() && receive(bytes),
      drained: () => isChosen() && flush(),
      ended(cause) {
        if (isChosen()) lose(cause)
        else failed(cause ?? brokenOff())
      },
    }
    Bun.connect({ hostname: address, port, ...tls, data, socket: handler }).catch((cause) => failed(explained(cause)))
    return () => {
      isGivenUp = true
      own?.terminate()
    }
  }

  function close(): void {
    closed = true
    stopDialling()
    socket?.terminate()
  }

  function flush(): void {
    if (socket === undefined || unsent === undefined) return
    const written = Math.max(0, socket.write(unsent))
    unsent = written < unsent.length ? unsent.subarray(written) : undefined
  }

  function receive(bytes: Buffer): void {
    const wasAsked = listener !== undefined
    began = true
    if (wasAsked) read(bytes)
    if (listener !== undefined) return
    // An answer before the whole question, or to none: nobody knows what would come next.
    if (closed || !wasAsked || !keepsAlive || unsent !== undefined) close()
    // What the server has sent behind the answer may be here already: then this is no connection for another call.
    else setImmediate(keep)
  }

  function read(bytes: Buffer): void {
    if (readBody) {
      readBody(bytes)
      return
    }
    const head = readHead(bytes)
    if (head instanceof Error) lose(head)
    else if (head) startBody(head)
  }

  function startBody({ status, headers, framing, keepsAlive: mayBeAskedAgain, rest }: Head): void {
    keepsAlive = mayBeAskedAgain
    endsWithConnection = framing.ends === 'with the connection'
    body = listener?.head(status, headers)
    readBody = bodyReader(framing, { push: (range) => body?.push(range), end: endBody, fail: lose })
    // Also with nothing: that is where an empty body ends.
    readBody(rest)
  }

  function endBody(surplus: number): void {
    readBody = undefined
    // What would it be the answer to?
    if (surplus > 0) keepsAlive = false
    const whole = body
    body = undefined
    listener = undefined
    whole?.end()
  }

  function keep(): void {
    if (closed || listener !== undefined) return
    socket?.resume() // it may have been held back when its end came
    socket?.timeout(idleSeconds)
    checkOut = checkIn(connection)
  }

  /** The connection is over; so is the answer under way. */
  function lose(cause?: unknown): void {
    checkOut()
    if (cause === undefined && !closed && endsWithConnection && readBody) endBody(0)
    closed = true
    stopDialling()
    const receiver = body
    const asking = listener
    body = undefined
    listener = undefined
    if (receiver) receiver.fail(cause ?? brokenOff())
    else asking?.fail(cause ?? brokenOff(), began)
    socket?.terminate()
  }
}

// One for all sockets: Bun keeps a context for each.
const handler: SocketHandler<SocketEvents> = {
  open(socket) {
    if (!socket.data.secure) socket.data.ready(socket)
  },
  handshake(socket, trusted, problem) {
    // Not a byte goes to a server that could not show who it is.
    if (trusted && !problem) socket.data.ready(socket)
    else {
      socket.data.ended(problem)
      socket.terminate()
    }
  },
  data(socket, bytes) {
    // Nor is one heard from it: what comes before the handshake is over may be anybody's.
    const { secure, received } = socket.data
    if (!secure || socket.authorized) received(bytes)
  },
  drain: (socket) => socket.data.drained(),
  timeout: (socket) => void socket.terminate(),
  close: (socket, error) => socket.data.ended(error),
  error: (socket, error) => socket.data.ended(error),
  connectError() {}, // the promise of the connection tells
}

/**
 * Bun says "refused" of a connection for which there is no file descriptor left (1.4.5), and somebody would look for
 * the fault at the other end.
 */
function explained(cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED')) return cause
  try {
    closeSync(openSync(devNull, 'r'))
    return cause
  } catch (thrown) {
    return thrown
  }
}

function brokenOff(): Error {
  return Object.assign(new Error('The connection closed before the answer was complete.'), { code: 'ECONNRESET' })
}
