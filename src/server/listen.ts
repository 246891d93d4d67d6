import type { AnyElysia } from 'elysia'
import { asGatewayError } from '../core/errors.ts'
import { refuseOthers } from '../http/access.ts'
import { metricsPage } from '../http/metrics.ts'
import { checkHost, readTarget } from '../http/request-target.ts'
import type { Metrics } from '../observe/metrics.ts'

export interface Listening {
  /** Where clients find it: `http://127.0.0.1:8080`. */
  url: string
  /**
   * Refuses new connections, lets running answers finish, and closes connections on which nothing is answered.
   * `endReplies` is called for answers that still run after `deadlineMs`; what does not end then either is cut.
   */
  stop(deadlineMs: number, endReplies?: () => void): Promise<'drained' | 'cut'>
}

/** Puts the app on a port. Errors: Bun's own, `EADDRINUSE` and the like. */
export function listen(app: AnyElysia, hostname: string, port: number): Listening {
  app.listen({
    hostname,
    port,
    // Else a second gateway would start without an error and take half of the calls.
    reusePort: false,
    // Idle connections between requests; running answers have no limit of the server's.
    idleTimeout: 60,
    // The limit is ours to enforce, so that its error speaks the client's dialect.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // The page that developers see shows errors and source code to whoever asks.
    development: false,
    error: failed,
  })
  const { server } = app
  if (!server) throw new Error('the server did not start')
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${server.port}`,
    async stop(deadlineMs, endReplies) {
      const closed = server.stop()
      const isAnswered = await areAnsweredIn(deadlineMs, server)
      if (!isAnswered) endReplies?.()
      // What is left now are connections on which a last piece of an answer waits for its reader, and those on which no
      // whole request has come: Bun would wait for these, too.
      if (deadlineMs > 0 || endReplies) await isOverIn(lastWordsMs, closed)
      await server.stop(true)
      return isAnswered ? 'drained' : 'cut'
    },
  }
}

/** For what the app itself has no answer to. */
function failed(): Response {
  return new Response('The gateway failed while answering.\n', { status: 500 })
}

/** For the last bytes of an answer to reach a client that reads. */
const lastWordsMs = 1_000

/** How often it is looked whether all requests are answered: Bun has no event for that. */
const lookEveryMs = 20

async function areAnsweredIn(ms: number, server: { readonly pendingRequests: number }): Promise<boolean> {
  const deadline = performance.now() + ms
  while (server.pendingRequests > 0) {
    const leftMs = deadline - performance.now()
    if (leftMs <= 0) return false
    await Bun.sleep(Math.min(leftMs, lookEveryMs))
  }
  return true
}

async function isOverIn(ms: number, ending: Promise<void>): Promise<void> {
  const deadline = Promise.withResolvers<void>()
  const timer = setTimeout(deadline.resolve, ms)
  await Promise.race([ending, deadline.promise])
  clearTimeout(timer)
}

/** `GET /metrics` on a port of its own, for this machine only and without a key. Errors: Bun's own. */
export function listenForMetrics(metrics: Metrics, port: number): { url: string; stop(): Promise<void> } {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port,
    fetch(request) {
      try {
        const path = readTarget(request)
        checkHost(request.headers)
        refuseOthers(request, [], false)
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
