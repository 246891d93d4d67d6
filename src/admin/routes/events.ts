import { Type } from '@sinclair/typebox'
import type { OperatorAccess } from '../../http/operator-access.ts'
import type { Route } from '../../http/route.ts'
import type { OperatorContext } from '../operator-context.ts'
import { adminRoute } from '../route.ts'
import { liveEvents } from '../schema/events.ts'

/** `/admin/api/events`: what happens, as it happens. */
export function eventRoutes(operator: OperatorContext, { admission }: Pick<OperatorAccess, 'admission'>): Route[] {
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/events',
        summary: 'Requests and upstreams as they change',
        description:
          'Server-sent events: `state` first, with the requests under way, then `request`, `state` and `capture`; a comment every 2 s. A slow reader is not sent what is out of date, and after a gap everything again. It ends when the page signs out or the key of the operator is another.',
        answer: Type.Union(Object.values(liveEvents)),
        contentType: 'text/event-stream',
        // For HEAD nobody would read the stream, or end it.
        handle: ({ request }) => eventStream(request.method === 'HEAD' ? null : operator.feed.open(admission(request))),
      },
      operator,
    ),
  ]
}

/** Proxies are not to hold it back. */
export function eventStream(body: ReadableStream<Uint8Array> | null): Response {
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
  })
}
