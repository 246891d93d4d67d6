import { Elysia } from 'elysia'
import { asGatewayError } from '../core/errors.ts'
import { redactError } from '../core/redact.ts'
import type { Ends } from '../http/gateway-proof.ts'
import { unknownRoute } from '../http/hints.ts'
import { dialectGuess } from '../http/likely-dialect.ts'
import { createOperatorAccess } from '../http/operator-access.ts'
import type { ServerConnection } from '../http/reply-routes.ts'
import { checkHost, takeParameter } from '../http/request-target.ts'
import { requestIdHeaders } from '../http/response-headers.ts'
import { mount, type Route } from '../http/route.ts'
import { createSignInSessions } from '../http/sign-in-sessions.ts'
import type { SocketHandlers } from '../http/socket-routes.ts'
import { createWrongKeys } from '../http/wrong-keys.ts'
import { admitAndReadBody } from './admit-and-read-body.ts'
import { crossOrigin, pathsBelow } from './cross-origin.ts'
import { currentAccess } from './current-access.ts'
import { errorResponse } from './error-response.ts'
import type { AppOptions } from './options.ts'
import { createOwnRequests } from './own-requests.ts'
import { createRequestLifecycle } from './request-lifecycle.ts'
import { allRoutes } from './routes.ts'

export type { AppOptions } from './options.ts'

/** The web application: routes, access and request records. It does not listen. */
export function createApp(options: AppOptions) {
  const { dialects, clock, settings } = options
  const records = createRequestLifecycle(options)
  const own = createOwnRequests((request) => app.handle(request))
  // The route of each request, also if access to it is refused.
  const matched = new WeakMap<Request, Route>()
  const likelyDialect = dialectGuess(dialects)
  const keyHeaders = dialects.flatMap(({ keyHeaders = [] }) => keyHeaders)
  const wrongKeys = createWrongKeys(clock, (request) => app.server?.requestIP(request)?.address)
  const operators = createOperatorAccess({
    access: () => settings.access,
    sessions: options.signInSessions ?? createSignInSessions(clock, (bytes) => crypto.getRandomValues(bytes)),
    ...{ keyHeaders, wrongKeys },
  })
  const issued = options.keys?.registry.callerOf
  const callerBy = currentAccess(settings, { keyHeaders, operators, wrongKeys, issued })
  // The timeout of a request applies to its connection, until the next request sets its own.
  const connection: ServerConnection = {
    setIdleTimeout: (request) => setIdleSeconds(request, Math.min(Math.ceil(settings.stallMs / 1000), 60)),
    abortConnection(request) {
      own.of(request)?.cut?.()
      setIdleSeconds(request, 1)
    },
  }
  const routes = allRoutes(options, {
    ...{ records, operators, connection, sendInternal: own.send, runInternal: own.run, upgrade, endsOf },
    admitAndReadBody: admitAndReadBody(options, { recordOf: records.of, connection, setIdleSeconds }),
    internalOf: own.of,
    listening: () => app.server?.url.origin,
  })
  const unknown = unknownRoute(dialects)
  const isOperators = pathsBelow(routes.filter(({ access }) => access === 'operator' || access === 'sign-in'))

  const app = new Elysia({
    normalize: false,
    aot: true,
    // Bun's router parses the path in its own way, which may differ from that of readTarget.
    systemRouter: false,
    websocket: { maxPayloadLength: settings.maxBodyBytes },
  })
    .wrap((answer, request) => {
      records.open(request, own.of(request))
      try {
        checkHost(request.headers)
      } catch (thrown) {
        return () => reject(request, thrown)
      }
      const recalling = operators.recall(request)
      if (recalling === undefined) return answer
      return (...parameters: unknown[]) =>
        recalling.then(
          () => answer(...parameters),
          (thrown) => reject(request, thrown),
        )
    })
    .onBeforeHandle(({ request }) => {
      // A route that was registered in another way has no access rule, so nobody may use it.
      if (!matched.has(request)) throw new Error('a route without an access of its own')
    })
    // This comes first, so that a permitted page can also read the reason for a refusal.
    .use(crossOrigin(settings.access.corsOrigins, (request) => isOperators(records.of(request).path)))
    .onRequest(({ request, set }) => {
      // Pages return plain values; the dialects set the header on their own responses.
      if (request.method !== 'POST') set.headers['x-request-id'] = records.of(request).id
    })
    .onError(({ request, error }) => reject(request, error))
  return mount(app, [...routes, unknown], { authorize, otherwise: unknown, onSent })

  function setIdleSeconds(request: Request, seconds: number): void {
    if (!own.of(request)) app.server?.timeout(request, seconds)
  }

  function upgrade(request: Request, handlers: SocketHandlers): boolean {
    return app.server?.upgrade(request, { data: handlers, headers: requestIdHeaders(records.of(request)) }) ?? false
  }

  function endsOf(request: Request): Ends | undefined {
    const { server } = app
    const peer = server?.requestIP(request)
    if (!server?.hostname || !server.port || !peer) return undefined
    return { server: { address: server.hostname, port: server.port }, peer }
  }

  /** Checks whether a request may use its route, and records whose it is. */
  function authorize(request: Request, route: Route): void {
    matched.set(request, route)
    const { access: level, dialect } = route
    const keyParameter = route.keyParameter ?? dialect?.keyParameter
    // Taken out of the address, because the address is captured.
    const queryKey = keyParameter === undefined ? undefined : takeParameter(request, keyParameter)
    records.of(request).caller =
      own.of(request)?.caller ??
      callerBy(request, {
        access: level,
        credentials: dialect?.credentials,
        dialect: dialect?.id,
        keyHeaders: dialect && (dialect.keyHeaders ?? []),
        queryKey,
      })
    if (route.endsRecord) records.observe(request)
  }

  /**
   * Closes the record of a request whose response was sent. `reject` has already closed the record of a refused one.
   */
  function onSent(request: Request, status: number): void {
    const record = records.of(request)
    if (record.status !== undefined) return
    record.status = status
    records.close(record)
  }

  /** Answers with an error, in the shape of the dialect that the client speaks. */
  function reject(request: Request, thrown: unknown): Response {
    const error = redactError(asGatewayError(thrown), options.redact)
    const record = records.of(request)
    const route = matched.get(request)
    const dialect = route?.dialect ?? likelyDialect(record.path, request.headers)
    const encodeError = route?.encodeError ?? dialect.encodeError
    connection.setIdleTimeout(request)
    const response = errorResponse(error, record, { encodeError, at: clock.monotonic() })
    records.close(record)
    return response
  }
}
