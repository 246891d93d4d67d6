import type { AnyElysia } from 'elysia'
import { asGatewayError } from '../core/errors.ts'
import { refuseOthers } from '../http/access.ts'
import { metricsPage } from '../http/metrics.ts'
import { checkHost, readTarget } from '../http/request-target.ts'
import type { Metrics } from '../observe/metrics.ts'

export interface Listening {
  /** The base URL for clients: `http://127.0.0.1:8080`. */
  url: string
  /** Accepts the connections that clients have made until now, then refuses new ones and closes idle ones. */
  close(): Promise<void>
  /**
   * Closes, and lets running responses finish. After `deadlineMs`, `endReplies` is called to end those that are still
   * running. What remains a second later is cut.
   */
  stop(deadlineMs: number, endReplies?: () => void): Promise<'drained' | 'cut'>
}

/**
 * Serves the app on a port. `running` is the number of replies under way that Bun does not know of, because they go over a
 * WebSocket. With `sharesPort` other gateways may listen on the same port. Errors: those of Bun, such as `EADDRINUSE`; an
 * Error where ports cannot be shared.
 */
export function listen(
  app: AnyElysia,
  hostname: string,
  port: number,
  running: () => number = () => 0,
  sharesPort = false,
): Listening {
  if (sharesPort && process.platform !== 'linux')
    throw new Error('REUSE_PORT works on Linux only: give each gateway a port of its own, behind nginx')
  app.listen({
    hostname,
    port,
    // If it is on, a second gateway starts without an error and gets half of the requests, so it is off by default.
    reusePort: sharesPort,
    // In seconds, for connections between requests. Running responses have other limits.
    idleTimeout: 60,
    // The gateway enforces its own limit, so that the error has the form of the client's dialect.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Bun's development page would show errors and source code to clients.
    development: false,
    error: failed,
  })
  const { server } = app
  if (!server) throw new Error('the server did not start')
  /** Settles when no connection is left. */
  let closed: Promise<void> | undefined
  const close = async () => {
    if (closed) return
    // When the server stops, the system resets connections that the server has not accepted yet. In one turn of the event
    // loop it accepts those that came while it was busy.
    await Bun.sleep(1)
    closed ??= server.stop()
  }
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${server.port}`,
    close,
    async stop(deadlineMs, endReplies) {
      await close()
      const isAnswered = await areAnsweredIn(deadlineMs, () => server.pendingRequests + running())
      if (!isAnswered) endReplies?.()
      // Two kinds of connections are left: those with a rest of a response that the client has yet to read, and those
      // with an incomplete request. Bun would wait for the second kind, too, so the wait is limited.
      if (deadlineMs > 0 || endReplies) await isOverIn(lastBytesMs, closed ?? Promise.resolve())
      await server.stop(true)
      return isAnswered ? 'drained' : 'cut'
    },
  }
}

/** The response to an error that the app does not handle. */
function failed(): Response {
  return new Response('The gateway failed while answering.\n', { status: 500 })
}

/** The time for the last bytes of a response to reach a client that reads. */
const lastBytesMs = 1_000

/** Polling interval for the number of pending requests. Bun has no event for it. */
const pollMs = 20

async function areAnsweredIn(ms: number, pending: () => number): Promise<boolean> {
  const deadline = performance.now() + ms
  while (pending() > 0) {
    const leftMs = deadline - performance.now()
    if (leftMs <= 0) return false
    await Bun.sleep(Math.min(leftMs, pollMs))
  }
  return true
}

async function isOverIn(ms: number, ending: Promise<void>): Promise<void> {
  const deadline = Promise.withResolvers<void>()
  const timer = setTimeout(deadline.resolve, ms)
  await Promise.race([ending, deadline.promise])
  clearTimeout(timer)
}

/** Serves `GET /metrics` on a port of its own, on loopback only and without a key. Errors: those of Bun. */
export function listenForMetrics(metrics: Metrics, port: number): { url: string; stop(): Promise<void> } {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port,
    fetch(request) {
      try {
        const path = readTarget(request)
        checkHost(request.headers)
        refuseOthers(request, { port })
        return path === '/metrics' ? metricsPage(metrics) : new Response('Only /metrics is here.\n', { status: 404 })
      } catch (thrown) {
        const { status, message } = asGatewayError(thrown)
        return new Response(`${message}\n`, { status })
      }
    },
    error: () => new Response('The metrics could not be gathered.\n', { status: 500 }),
  })
  return { url: `http://127.0.0.1:${server.port}/metrics`, stop: () => server.stop(true) }
}
