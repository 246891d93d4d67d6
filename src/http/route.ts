import { Elysia } from 'elysia'
import type { Dialect } from '../core/dialect.ts'
import type { Access } from './access.ts'
import { type PathPattern, pathPattern } from './path-pattern.ts'

/** One thing this gateway answers, with all there is to know of it: no other list names its path. */
export interface Route {
  /** `GET` answers `HEAD` as well, to the same callers; `ALL` is whatever has no route of its own. */
  method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE' | 'ALL'
  /** `/v1/responses/:id`, `/v1/models/*`, `/v1/models/:model:generateContent` */
  path: string
  access: Access
  /** The API it belongs to: whose key it takes, and how its errors look. */
  dialect?: Dialect
  /** Its handler ends the request's record by itself, after the last byte of the reply. */
  endsRecord?: true
  /** For the documentation page, which leaves out a route without them. */
  docs?: RouteDocs | undefined
  /** How its errors look, where it belongs to no API. */
  encodeError?: Dialect['encodeError']
  /** Runs for callers that were let in. Returns a Response, or a value to send as JSON or text. Errors: GatewayError. */
  handle(context: RouteContext): unknown
}

/** The members of an OpenAPI operation that are known where the route is registered, and the schemas they refer to. */
export interface RouteDocs {
  tags: string[]
  summary: string
  description?: string
  parameters?: object[]
  requestBody?: object
  responses?: object
  /** By name, for `components`. */
  schemas?: Readonly<Record<string, object>>
}

export interface RouteContext {
  request: Request
  /** Percent-decoded, except a wildcard's. */
  params: Record<string, string>
  query: Record<string, string | undefined>
  /** Without the query. */
  path: string
}

export interface MountOptions {
  /** Answers where the router matches a path whose verb no route has. */
  otherwise: Route
  /**
   * Is told which route the router matched a request with, before the handler runs and before any body is read. Throws to
   * refuse the request.
   */
  authorize: (request: Request, route: Route) => void
  /** Is told the status once the response is out, unless the route ends its record by itself. */
  onSent: (request: Request, status: number) => void
}

/** The only way to put routes on an app. All of them go in one call: routes may share a path of the router. */
export function mount(routes: readonly Route[], { otherwise, authorize, onSent }: MountOptions) {
  const app = new Elysia()
  for (const group of groupsOf(routes)) {
    const { method, routerPath, members } = group
    // A path without parameters has none, not even an empty object.
    const find = (found: Record<string, string> = {}): Found => {
      for (const { route, pattern } of members) {
        const params = pattern.match(found)
        if (params) return { route, params }
      }
      return { route: otherwise, params: {} }
    }
    // For whoever walks the app's own list of routes.
    const detail = {
      hide: members.every(({ route }) => route.docs === undefined),
      'x-access': [...new Set(members.map(({ route }) => route.access))].join(' '),
    }
    // Elysia reads the source of handlers to learn what they need; this one names all of it, whatever the route's own does.
    const handle = ({ request, params: found, query, path }: RouteContext) => {
      const { route, params } = find(found)
      return route.handle({ request, params, query, path })
    }
    app.route(method, routerPath, ({ request, params, query, path }) => handle({ request, params, query, path }), {
      // Elysia would make a stream of each body before it asks anybody to read it.
      parse: 'none',
      transform: ({ request, params }) => {
        authorize(request, find(params).route)
      },
      ...(members.every(({ route }) => route.endsRecord)
        ? {}
        : {
            afterResponse: ({ request, set }: { request: Request; set: { status?: number | string } }) =>
              onSent(request, typeof set.status === 'number' ? set.status : 200),
          }),
      detail,
    })
  }
  return app
}

interface Found {
  route: Route
  params: Record<string, string>
}

interface Group {
  method: Route['method']
  routerPath: string
  /** The longest verb first. */
  members: { route: Route; pattern: PathPattern }[]
}

/** Routes that the router cannot tell apart, because only the verb in a segment does. */
function groupsOf(routes: readonly Route[]): Iterable<Group> {
  const groups = new Map<string, Group>()
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
