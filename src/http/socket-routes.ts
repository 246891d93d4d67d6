import { createParser } from 'eventsource-parser'
import { jsonBytesInPortions } from '../async/json-in-portions.ts'
import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import { GatewayError } from '../core/errors.ts'
import type { SocketFormat } from '../core/socket-format.ts'
import { nextTurn } from '../core/yield-between-steps.ts'
import type { Log } from '../observe/log.ts'
import { behindBasePaths } from './base-paths.ts'
import { parseJsonBody } from './body.ts'
import type { SendInternal } from './internal-requests.ts'
import type { LiveSettings } from './live-settings.ts'
import { createRecentReplies } from './recent-replies.ts'
import type { Route, RouteContext } from './route.ts'

export interface SocketRouteOptions {
  sendInternal: SendInternal
  /** Turns the connection of a request into a WebSocket. Returns whether it could. */
  upgrade: (request: Request, handlers: SocketHandlers) => boolean
  settings: LiveSettings
  clock: Clock
  log: Log
}

/** What is called as things happen to a WebSocket. */
export interface SocketHandlers {
  open(socket: Socket): void
  message(socket: Socket, message: unknown): void
  /** The client has read what was held back for it. */
  drain(): void
  close(): void
}

export interface Socket {
  /** Returns -1 if the message waits until the client reads on, 0 if it was lost, or else its size. */
  send(message: string): number
  close(code: number, reason: string): void
  /** Closes at once: no close frame is sent, and waiting data is dropped. */
  terminate(): void
}

/** The routes for WebSockets, of dialects that have them. */
export function socketRoutes(dialect: Dialect, basePaths: readonly string[], options: SocketRouteOptions): Route[] {
  const { socket: format } = dialect
  if (!format) return []
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'socket') return []
    const { method, path, access, summary } = route
    const docs = { ...documented, tags: [dialect.id], summary }
    const handle = ({ request }: RouteContext) => {
      const handlers = conversation(dialect, format, request, options)
      if (options.upgrade(request, handlers)) return new Response(null, { status: 101 })
      throw new GatewayError('invalid-request', 'This path is for WebSockets; send POST for a reply over HTTP.', {
        status: 426,
        code: 'upgrade_required',
      })
    }
    return behindBasePaths({ method, path, access, dialect, docs, handle }, basePaths)
  })
}

const documented = {
  description:
    'Each message that asks for a reply is the body of a request for a streamed one, and each event of the stream is a message. A client may continue an earlier reply of the same connection that it did not want stored.',
  responses: { 101: { description: 'The connection is a WebSocket.' }, 426: { description: 'It was not to be one.' } },
}

/** Requests that may wait on one connection, over all lanes. */
const mostWaiting = 100

/** UTF-16 units of a message that took milliseconds to arrive. */
const longMessage = 1_000_000

/** Their messages together, as a multiple of the longest message. */
const mostWaitingText = 2

/** Headers of the handshake that say nothing about the requests on the connection. */
const ofHandshake = /^(?:connection|upgrade|sec-websocket-.*|content-.*|transfer-encoding|accept-encoding|cookie)$/

/** Answers the messages of one connection. Each is a request of its own: admitted, limited, charged and logged as such. */
function conversation(
  dialect: Dialect,
  format: SocketFormat,
  handshake: Request,
  { sendInternal, settings, clock, log }: SocketRouteOptions,
): SocketHandlers {
  const headers = new Headers([...handshake.headers].filter(([name]) => !ofHandshake.test(name)))
  headers.set('content-type', 'application/json')
  const url = new URL(handshake.url)
  url.search = ''
  const recentReplies = createRecentReplies()
  const closed = new AbortController()
  /** The last request of each lane; a message without a lane has the lane `undefined`. */
  const lanes = new Map<string | undefined, Promise<void>>()
  /** Messages are read one after the other, because a long one takes a while. */
  let reading = Promise.resolve()
  let waiting = 0
  let waitingText = 0
  let drained = Promise.withResolvers<void>()

  return {
    open() {},
    message(socket, message) {
      const text = String(message)
      if (waiting >= mostWaiting || waitingText + text.length > mostWaitingText * settings.maxBodyBytes) {
        refuse(socket, tooMany())
        return
      }
      waiting++
      waitingText += text.length
      const done = () => {
        waiting--
        waitingText -= text.length
      }
      reading = reading.then(() => enqueue(socket, text, done)).catch((error) => fail(socket, error))
    },
    drain() {
      drained.resolve()
      drained = Promise.withResolvers()
    },
    close() {
      closed.abort()
      drained.resolve()
    },
  }

  async function enqueue(socket: Socket, text: string, done: () => void): Promise<void> {
    if (closed.signal.aborted) return
    let lane: string | undefined
    let body: Uint8Array<ArrayBuffer>
    try {
      // The connection has made a text of it in this turn: 30 MB of Chinese take 40 ms.
      if (text.length > longMessage) await nextTurn(clock)
      const { body: message, yieldIfLong } = await parseJsonBody(text, { clock })
      lane = format.laneOf(message)
      body = await jsonBytesInPortions(format.read(message), yieldIfLong)
    } catch (thrown) {
      done()
      if (!(thrown instanceof GatewayError)) throw thrown
      refuse(socket, thrown, lane)
      return
    }
    const before = lanes.get(lane) ?? Promise.resolve()
    const turn = before
      .then(() => reply(socket, body, lane))
      .catch((error) => fail(socket, error))
      .finally(() => {
        done()
        if (lanes.get(lane) === turn) lanes.delete(lane)
      })
    lanes.set(lane, turn)
  }

  async function reply(socket: Socket, body: Uint8Array<ArrayBuffer>, lane: string | undefined): Promise<void> {
    if (closed.signal.aborted) return
    const request = new Request(url, { method: 'POST', headers, body: streamOf(body), signal: closed.signal })
    const response = await sendInternal(request, { note: 'websocket', recentReplies, cut: () => socket.terminate() })
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      send(socket, format.encodeRefusal(response.status, await response.json(), response.headers, lane))
      return
    }
    const messages: string[] = []
    const parser = createParser({ onEvent: ({ data }) => messages.push(format.encodeEvent(data, lane)) })
    const decoder = new TextDecoder()
    for await (const bytes of response.body ?? []) {
      parser.feed(decoder.decode(bytes, { stream: true }))
      for (const message of messages.splice(0)) {
        if (closed.signal.aborted) return
        if (send(socket, message) === 'full') await drained.promise
      }
    }
  }

  function refuse(socket: Socket, error: GatewayError, lane?: string): void {
    const { status, body } = dialect.encodeError(error, '')
    send(socket, format.encodeRefusal(status, body, new Headers(), lane))
  }

  /** Closes the connection if a message is lost: without it, the rest of the reply would look complete. */
  function send(socket: Socket, message: string): 'sent' | 'full' {
    const sent = socket.send(message)
    if (sent === 0) socket.terminate()
    return sent === -1 ? 'full' : 'sent'
  }

  function fail(socket: Socket, error: unknown): void {
    log.error('a WebSocket could not be answered', { error })
    socket.close(internalError, 'The gateway failed while answering.')
  }
}

/** A stream, because a request of bytes copies them in one go, 30 MB in up to 25 ms. */
function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}

/** Source: RFC 6455, 7.4.1. */
const internalError = 1011

function tooMany(): GatewayError {
  return new GatewayError(
    'overloaded',
    `Too much waits on this connection already: ${mostWaiting} requests at most, and no more text than in ${mostWaitingText} of the longest ones.`,
    { code: 'too_many_requests_at_once' },
  )
}
