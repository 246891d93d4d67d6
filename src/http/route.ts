import type { AnyElysia } from 'elysia'
import type { Dialect } from '../core/dialect.ts'
import type { Access } from './access.ts'
import { type PathPattern, pathPattern } from './path-pattern.ts'

/** One route, with everything that is known of it: no other list names its path. */
export interface Route {
  /** `GET` also answers `HEAD`, with the same access; `ALL` is for every method without a route of its own. */
  method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE' | 'ALL'
  /** `/v1/responses/:id`, `/v1/models/*`, `/v1/models/:model:generateContent` */
  path: string
  access: Access
  /** The API that the route belongs to, which decides the keys and the shape of errors. */
  dialect?: Dialect
  /** The query parameter in which clients may send a key, if the route belongs to no API of its own. */
  keyParameter?: string | undefined
  /** The handler closes the record of the request itself, after the last byte of the reply. */
  endsRecord?: true
  /** For the documentation, which omits routes without it. */
  docs?: RouteDocs | undefined
  /** The shape of errors for a route that belongs to no API. */
  encodeError?: Dialect['encodeError']
  /** Called if access was granted. Returns a Response, or a value to send as JSON or text. Errors: GatewayError. */
  handle(context: RouteContext): unknown
}

/**
 * The members of an OpenAPI operation that are known where the route is registered, and the schemas that they refer to.
 */
export interface RouteDocs {
  tags: string[]
  summary: string
  description?: string
  parameters?: object[]
  requestBody?: object
  responses?: object
  /** Schemas by name, for `components`. */
  schemas?: Readonly<Record<string, object>>
}

export interface RouteContext {
  request: Request
  /** Percent-decoded, except for a wildcard. */
  params: Record<string, string>
  query: Record<string, string | undefined>
  /** The path without the query. */
  path: string
}

export interface MountOptions {
  /** Answers if the router matches a path but no route has its verb. */
  otherwise: Route
  /**
   * Called with the route of a request, before the handler and before any body is read. Throws to refuse the request.
   */
  authorize: (request: Request, route: Route) => void
  /** Called with the status when the response was sent, unless the route closes the record itself. */
  onSent: (request: Request, status: number) => void
}

/**
 * The only way to register routes. All of them are passed in one call, because routes may share a path of the router. They
 * go on the app itself: in an app of their own that it uses, Elysia registers each a second time (20 ms of the start).
 */
export function mount<App extends AnyElysia>(app: App, routes: readonly Route[], options: MountOptions): App {
  const { otherwise, authorize, onSent } = options
  for (const group of groupsOf(routes)) {
    const { method, routerPath, members } = group
    // A path without parameters has no object for them, not even an empty one.
    const find = (found: Record<string, string> = {}): Found => {
      for (const { route, pattern } of members) {
        const params = pattern.match(found)
        if (params) return { route, params }
      }
      return { route: otherwise, params: {} }
    }
    // For code that reads the app's own list of routes.
    const detail = {
      hide: members.every(({ route }) => route.docs === undefined),
      'x-access': [...new Set(members.map(({ route }) => route.access))].join(' '),
    }
    // Elysia reads the source of handlers to find out what they need. This one mentions everything, whatever the
    // route's handler needs.
    const handle = ({ request, params: found, query, path }: RouteContext) => {
      const { route, params } = find(found)
      return route.handle({ request, params, query, path })
    }
    app.route(method, routerPath, ({ request, params, query, path }) => handle({ request, params, query, path }), {
      // Otherwise Elysia would create a stream for each body, even if nothing reads it.
      parse: 'none',
      transform: ({ request, params }) => {
        authorize(request, find(params).route)
      },
      ...(members.every(({ route }) => route.endsRecord)
        ? {}
        : {
            afterResponse: (sent: object) => {
              const response = sent as Sent
              onSent(response.request, statusOf(response))
            },
          }),
      detail,
    })
  }
  return app
}

/** What Elysia tells after a response. Its own status says nothing about a Response that a handler has made. */
interface Sent {
  request: Request
  set: { status?: number | string }
  responseValue?: unknown
}

function statusOf({ set, responseValue }: Sent): number {
  if (responseValue instanceof Response) return responseValue.status
  return typeof set.status === 'number' ? set.status : 200
}

interface Found {
  route: Route
  params: Record<string, string>
}

interface RouteGroup {
  method: Route['method']
  routerPath: string
  /** The longest verb comes first. */
  members: { route: Route; pattern: PathPattern }[]
}

/** Groups the routes that the router cannot tell apart because they differ only in a verb. */
function groupsOf(routes: readonly Route[]): Iterable<RouteGroup> {
  const groups = new Map<string, RouteGroup>()
  for (const route of routes) {
    const pattern = pathPattern(route.path)
    const { method } = route
    const { routerPath } = pattern
    const key = `${method} ${routerPath}`
    const group = groups.get(key) ?? { method, routerPath, members: [] }
    group.members.push({ route, pattern })
    group.members.sort((a, b) => b.pattern.verbLength - a.pattern.verbLength)
    groups.set(key, group)
  }
  return groups.values()
}
