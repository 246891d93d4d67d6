import { closeSync, openSync } from 'node:fs'
import { isIP } from 'node:net'
import { devNull } from 'node:os'
import type { Socket, SocketHandler } from 'bun'
import type { Clock } from '../core/clock.ts'
import type { Lookup } from './dns.ts'
import { dial } from './happy-eyeballs.ts'

export type ClientSocket = Socket<SocketEvents>

/** Events of a socket. */
interface SocketEvents {
  secure: boolean
  ready(socket: Socket<SocketEvents>): void
  received(bytes: Buffer): void
  drained(): void
  ended(cause?: unknown): void
}

export interface OpenSocketOptions {
  lookup: Lookup
  clock: Clock
  /** Called once the socket can be written to; for https, once its certificate is found to be trusted. */
  opened(socket: ClientSocket): void
  received(bytes: Buffer): void
  drained(): void
  /** Called if no address can be reached, and when the connection has ended. */
  lost(cause?: unknown): void
}

/**
 * Connects to the server of a URL, at the first of its addresses that answers. Returns a function that stops trying.
 *
 * Host names are resolved here and not by `Bun.connect`, which may wait forever for a name that `fetch` looks up at the
 * same moment (Bun 1.4.5, one in fifteen such pairs).
 */
export function openSocket(to: URL, { lookup, clock, opened, received, drained, lost }: OpenSocketOptions): () => void {
  const secure = to.protocol === 'https:'
  let chosen: ClientSocket | undefined
  let stopDialling = () => {}
  let isStopped = false
  void open()
  return () => {
    isStopped = true
    stopDialling()
  }

  async function open(): Promise<void> {
    const host = to.hostname.replace(/^\[|\]$/g, '')
    try {
      const addresses = isIP(host) ? [host] : (await lookup(host)).map(({ address }) => address)
      if (isStopped) return
      stopDialling = dial({
        addresses,
        clock,
        attempt: (address, finished, failed) => attempt(host, address, finished, failed),
        failed: lost,
      })
    } catch (cause) {
      lost(cause)
    }
  }

  /** Connects to one address. The first attempt that succeeds provides the socket. */
  function attempt(host: string, address: string, finished: () => void, failed: (cause: unknown) => void): () => void {
    const port = Number(to.port || (secure ? 443 : 80))
    const tls = secure ? { tls: { serverName: host, rejectUnauthorized: true } } : {}
    let isAborted = false
    let own: Socket<SocketEvents> | undefined
    const isChosen = () => own !== undefined && own === chosen
    const data: SocketEvents = {
      secure,
      ready(ready) {
        own = ready
        if (isAborted || isStopped) {
          ready.terminate()
          return
        }
        chosen = ready
        finished()
        opened(ready)
      },
      received: (bytes) => isChosen() && received(bytes),
      drained: () => isChosen() && drained(),
      ended(cause) {
        if (isChosen()) lost(cause)
        else failed(cause ?? brokenOff())
      },
    }
    Bun.connect({ hostname: address, port, ...tls, data, socket: handler }).catch((cause) => failed(realCause(cause)))
    return () => {
      isAborted = true
      own?.terminate()
    }
  }
}

// One handler for all sockets, because Bun keeps a context for each handler.
const handler: SocketHandler<SocketEvents> = {
  open(socket) {
    if (!socket.data.secure) socket.data.ready(socket)
  },
  handshake(socket, trusted, problem) {
    // Nothing is sent to a server whose certificate is not trusted.
    if (trusted && !problem) socket.data.ready(socket)
    else {
      socket.data.ended(problem)
      socket.terminate()
    }
  },
  data(socket, bytes) {
    // Nothing is read from it either: data before the end of the handshake may come from anyone.
    const { secure, received } = socket.data
    if (!secure || socket.authorized) received(bytes)
  },
  drain: (socket) => socket.data.drained(),
  timeout: (socket) => void socket.terminate(),
  close: (socket, error) => socket.data.ended(error),
  error: (socket, error) => socket.data.ended(error),
  connectError() {}, // reported by the promise of `Bun.connect`
}

/**
 * The real cause of a refused connection: Bun 1.4.5 also reports "refused" if no file descriptor is left, which would
 * make people look for the fault at the other end.
 */
function realCause(cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED')) return cause
  try {
    closeSync(openSync(devNull, 'r'))
    return cause
  } catch (thrown) {
    return thrown
  }
}

export function brokenOff(): Error {
  return Object.assign(new Error('The connection closed before the answer was complete.'), { code: 'ECONNRESET' })
}
