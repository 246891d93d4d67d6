import type { LiveEvent } from '../../../src/admin/schema/events.ts'
import { exampleBody } from './example-bodies.ts'
import { exampleNow, examplePeak, exampleSetups, exampleUsage } from './example-now.ts'
import { exampleDetail, examplePage, exampleRows } from './example-requests.ts'
import { exampleSessions, exampleTurns } from './example-sessions.ts'
import { exampleUpstreamDetails, exampleUpstreams } from './example-upstreams.ts'

export type Answer = (request: Request, url: URL) => Response | Promise<Response> | undefined

/**
 * `/admin/api` with example data in front of a real gateway, for states of the page that a gateway reaches only after
 * hours or never: everything else is passed on to `gateway`. `overrides` answer first.
 */
export function startExampleApi(gateway: string, overrides: Record<string, Answer> = {}) {
  const at = Date.now()
  const answers: Record<string, Answer> = {
    'GET session': () => Response.json({ operator: true, how: 'loopback' }),
    'GET now': () => Response.json(exampleNow(Date.now())),
    'GET setups': () => Response.json({ setups: exampleSetups }),
    'GET events': liveEvents([
      {
        event: 'state',
        data: {
          ready: true,
          upstreams: exampleUpstreams(at),
          running: exampleRows(at).filter(({ state }) => state !== 'done'),
        },
      },
    ]),
    'GET requests': (_request, { searchParams }) => Response.json(examplePage(at, searchParams)),
    ...Object.fromEntries(
      exampleRows(at).flatMap((row) => [
        [`GET requests/${row.id}`, () => Response.json(exampleDetail(row))],
        ...(['client-request', 'upstream-request', 'upstream-reply', 'client-reply'] as const).map((name) => [
          `GET requests/${row.id}/bodies/${name}`,
          () => Response.json(exampleBody(name)),
        ]),
      ]),
    ),
    'GET upstreams': () => Response.json({ upstreams: exampleUpstreamDetails(at) }),
    'GET sessions': () => Response.json({ sessions: exampleSessions(at) }),
    ...Object.fromEntries(
      exampleSessions(at).map((session) => [
        `GET sessions/${session.id}`,
        () => Response.json({ ...session, requests: exampleTurns(at) }),
      ]),
    ),
    'GET usage': (_request, { searchParams }) =>
      Response.json({ slots: exampleUsage(searchParams), peak_hours: examplePeak(searchParams) }),
    ...overrides,
  }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 255,
    async fetch(request) {
      const url = new URL(request.url)
      const api = url.pathname.split('/admin/api/')[1]
      const answer = api === undefined ? undefined : answers[`${request.method} ${api}`]
      const answered = await answer?.(request, url)
      if (answered) return answered
      const { method, headers, body } = request
      return fetch(gateway + url.pathname + url.search, {
        method,
        headers,
        body,
        redirect: 'manual',
        decompress: false,
      })
    },
  })
  return { url: server.url.origin, [Symbol.asyncDispose]: () => server.stop(true) }
}

/** A stream of `first`, and then of what `next` makes every `everyMs`; without it only signs of life. */
export function liveEvents(first: readonly LiveEvent[], everyMs = 1000, next?: () => LiveEvent | undefined): Answer {
  const encoder = new TextEncoder()
  const encoded = ({ event, data }: LiveEvent) => encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  return () => {
    let timer: Timer | undefined
    const body = new ReadableStream({
      start(controller) {
        for (const event of first) controller.enqueue(encoded(event))
        timer = setInterval(() => {
          const event = next?.()
          controller.enqueue(event ? encoded(event) : encoder.encode(':\n\n'))
        }, everyMs)
      },
      cancel: () => clearInterval(timer),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
}
