import { Elysia } from 'elysia'
import type { Dialect } from '../core/dialect.ts'
import type { Access } from './access.ts'

/** One thing this gateway answers, with all there is to know of it: no other list names its path. */
export interface Route {
  /** `GET` answers `HEAD` as well, to the same callers; `ALL` is whatever has no route of its own. */
  method: 'GET' | 'HEAD' | 'POST' | 'DELETE' | 'ALL'
  /** `/v1/responses/:id`, `/v1/models/*` */
  path: string
  access: Access
  /** The API it belongs to: whose key it takes, and how its errors look. */
  dialect?: Dialect
  /** For the documentation page, which leaves out a route without them. */
  docs?: { tags: string[]; summary: string } | undefined
  /** Runs for callers that were let in. A Response, or a value to send as JSON or text. Errors: GatewayError. */
  handle(context: RouteContext): unknown
}

export interface RouteContext {
  request: Request
  /** Percent-decoded, but for a wildcard's. */
  params: Record<string, string>
  query: Record<string, string | undefined>
  /** Without the query. */
  path: string
}

/**
 * The one way to put routes on an app. `authorize` hears which route the router matched a request with, before the handler
 * and before any body is read, and throws to refuse it.
 */
export function mount(routes: readonly Route[], authorize: (request: Request, route: Route) => void) {
  const app = new Elysia()
  for (const route of routes) {
    const { method, path, access, docs, handle } = route
    // For whoever walks the app's own list of routes.
    const detail = { hide: docs === undefined, 'x-access': access }
    // Elysia reads the source of handlers to learn what they need: this one says it, however a route's own is written.
    app.route(method, path, ({ request, params, query, path }) => handle({ request, params, query, path }), {
      // Elysia would make a stream of each body before it asks anybody to read it.
      parse: 'none',
      transform: ({ request }) => {
        authorize(request, route)
      },
      detail,
    })
  }
  return app
}
