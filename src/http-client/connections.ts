import type { ConnectionFacts } from '../core/call-observer.ts'
import type { Clock } from '../core/clock.ts'
import type { BodySink, FlowControl } from './body-buffer.ts'
import { bodyReader } from './body-framing.ts'
import type { Lookup } from './dns.ts'
import { brokenOff, type ClientSocket, openSocket } from './open-socket.ts'
import { headReader, type ResponseHead } from './response-head.ts'

/** Receives the response to one request. */
export interface ResponseHandlers {
  /** Called when the request begins to be written, also when it is written again on another connection. */
  sent?: (() => void) | undefined
  /** Called with the headers as names and values in turn. Returns the sink for the body. */
  head(status: number, headers: readonly string[], connection: ConnectionFacts): BodySink
  /** There is no response. `began`: a part of one had arrived. */
  fail(cause: unknown, began: boolean): void
}

export interface Connections {
  /** Sends a whole HTTP/1.1 request, in pieces, on an idle connection if there is one. */
  request(to: URL, request: readonly Uint8Array[], listener: ResponseHandlers): FlowControl
}

interface ClientConnection {
  /** The returned controls affect this response only: once it has ended, the connection may serve another request. */
  send(request: readonly Uint8Array[], listener: ResponseHandlers): FlowControl
}

/** How long an idle connection is kept. Servers usually close theirs after a minute or more. */
const idleSeconds = 30

/** HTTP/1.1 over Bun's own sockets, one request at a time on each. The heads of responses are parsed by http-parser-js. */
export function createConnections(lookup: Lookup, clock: Clock): Connections {
  const idle = new Map<string, ClientConnection[]>()

  return {
    request(to, request, listener) {
      const idleConnection = idle.get(to.origin)?.pop()
      return idleConnection
        ? sendWithRetry(idleConnection, to, request, listener)
        : connectTo(to).send(request, listener)
    },
  }

  function connectTo(to: URL): ClientConnection {
    return connect(to, { lookup, clock, checkIn: (one) => checkIn(to.origin, one) })
  }

  /**
   * Sends on a kept connection. It may have died unnoticed: then the request is sent once more, on a new connection.
   */
  function sendWithRetry(
    idleConnection: ClientConnection,
    to: URL,
    request: readonly Uint8Array[],
    listener: ResponseHandlers,
  ): FlowControl {
    let isClosed = false
    let flow: FlowControl = idleConnection.send(request, {
      sent: listener.sent,
      head: listener.head,
      fail(cause, began) {
        if (began || isClosed) listener.fail(cause, began)
        else flow = connectTo(to).send(request, listener)
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
      const index = idleConnections.indexOf(connection)
      if (index >= 0) idleConnections.splice(index, 1)
    }
  }
}

interface ConnectOptions {
  lookup: Lookup
  clock: Clock
  /** Keeps the connection for the next request. Returns a function that removes it again. */
  checkIn(connection: ClientConnection): () => void
}

function connect(to: URL, { lookup, clock, checkIn }: ConnectOptions): ClientConnection {
  const readHead = headReader()
  let socket: ClientSocket | undefined
  let stopOpening = () => {}
  let closed = false
  let unsent: readonly Uint8Array[] = []
  // The first bytes of the request are written.
  let isBegun = false
  let listener: ResponseHandlers | undefined
  let body: BodySink | undefined
  // A part of the response has arrived.
  let began = false
  let keepsAlive = false
  let readBody: ((bytes: Buffer) => void) | undefined
  // The body has no length: it ends when the connection closes.
  let endsWithConnection = false
  let checkOut = () => {}
  const startedAt = clock.monotonic()
  let facts: ConnectionFacts = { reused: false }

  const connection: ClientConnection = {
    send(request, receiver) {
      unsent = request
      isBegun = false
      listener = receiver
      began = false
      checkOut()
      if (socket) facts = { reused: true }
      socket?.timeout(0)
      flush()
      const isCurrent = () => listener === receiver
      return {
        pause: () => isCurrent() && socket?.pause(),
        resume: () => isCurrent() && socket?.resume(),
        close: () => isCurrent() && close(),
      }
    },
  }
  stopOpening = openSocket(to, { lookup, clock, opened, received: receive, drained: flush, lost: lose })
  return connection

  function opened(ready: ClientSocket): void {
    socket = ready
    facts = { reused: false, connectMs: clock.monotonic() - startedAt }
    flush()
  }

  function close(): void {
    closed = true
    stopOpening()
    socket?.terminate()
  }

  function flush(): void {
    for (let [piece] = unsent; socket !== undefined && piece !== undefined; [piece] = unsent) {
      const written = Math.max(0, socket.write(piece))
      if (written > 0 && !isBegun) listener?.sent?.()
      isBegun ||= written > 0
      const others = unsent.slice(1)
      unsent = written < piece.length ? [piece.subarray(written), ...others] : others
      if (written < piece.length) return
    }
  }

  function receive(bytes: Buffer): void {
    const hadRequest = listener !== undefined
    began = true
    if (hadRequest) read(bytes)
    if (listener !== undefined) return
    // The response came before the whole request was sent, or without a request: the state of the connection is
    // unknown.
    if (closed || !hadRequest || !keepsAlive || unsent.length > 0) close()
    // Bytes after the response may already have been received. The connection is kept only if there are none.
    else setImmediate(becomeIdle)
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

  function startBody({ status, headers, framing, keepsAlive: serverKeepsAlive, rest }: ResponseHead): void {
    keepsAlive = serverKeepsAlive
    endsWithConnection = framing.ends === 'with the connection'
    body = listener?.head(status, headers, facts)
    readBody = bodyReader(framing, { push: (range) => body?.push(range), end: endBody, fail: lose })
    // Also if `rest` is empty, because an empty body ends here.
    readBody(rest)
  }

  function endBody(surplus: number): void {
    readBody = undefined
    // Bytes after the response belong to no request.
    if (surplus > 0) keepsAlive = false
    const whole = body
    body = undefined
    listener = undefined
    whole?.end()
  }

  function becomeIdle(): void {
    if (closed || listener !== undefined) return
    socket?.resume() // it may have been paused when the response ended
    socket?.timeout(idleSeconds)
    checkOut = checkIn(connection)
  }

  /** Closes the connection, and ends or fails the current response. */
  function lose(cause?: unknown): void {
    checkOut()
    if (cause === undefined && !closed && endsWithConnection && readBody) endBody(0)
    closed = true
    stopOpening()
    const receiver = body
    const waitingListener = listener
    body = undefined
    listener = undefined
    if (receiver) receiver.fail(cause ?? brokenOff())
    else waitingListener?.fail(cause ?? brokenOff(), began)
    socket?.terminate()
  }
}
