import { cors } from '@elysiajs/cors'
import { Elysia } from 'elysia'
import { adminRoutes } from './admin/index.ts'
import { pageRoutes } from './admin/page.ts'
import type { Operator } from './admin/route-context.ts'
import type { Clock } from './core/clock.ts'
import type { Dialects } from './core/dialect.ts'
import { asGatewayError, errorHeaders, type GatewayError } from './core/errors.ts'
import { type Redact, redactError } from './core/redact.ts'
import type { Gateway } from './gateway/index.ts'
import { createAccess } from './http/access.ts'
import { createBackgroundReplies } from './http/background-replies.ts'
import { basePathsOf, inOrderOfPaths } from './http/base-paths.ts'
import { leavesBodyUnread, readJson } from './http/body.ts'
import { conversationRoutes } from './http/conversations.ts'
import { countRoutes } from './http/count-tokens.ts'
import { docsRoutes } from './http/docs.ts'
import { embeddingRoutes } from './http/embedding-routes.ts'
import { fixedRoutes } from './http/fixed-routes.ts'
import { type Ends, identityRoutes } from './http/gateway-proof.ts'
import { healthRoutes } from './http/health.ts'
import { unknownRoute } from './http/hints.ts'
import type { InsideRequest } from './http/inside-requests.ts'
import { dialectGuess } from './http/likely-dialect.ts'
import type { RequestLimits } from './http/limits.ts'
import type { LiveSettings } from './http/live-settings.ts'
import { metricsRoutes } from './http/metrics.ts'
import { modelRoutes } from './http/models.ts'
import { createOperatorAccess } from './http/operator-access.ts'
import { createOperatorSessions } from './http/operator-sessions.ts'
import { ownKeyRoutes } from './http/own-key.ts'
import { type AdmitAndReadBody, replyRoutes, type ServerConnection } from './http/reply-routes.ts'
import { checkHost, readTarget, takeParameter } from './http/request-target.ts'
import { requestIdHeaders } from './http/response-headers.ts'
import { mount, type Route } from './http/route.ts'
import { unlessEnded } from './http/shutdown.ts'
import { type SocketHandlers, socketRoutes } from './http/socket-routes.ts'
import { storedRoutes } from './http/stored-conversations.ts'
import { createWrongKeys } from './http/wrong-keys.ts'
import type { ServedKeys } from './keys/open-keys.ts'
import type { Cost } from './models/cost.ts'
import type { Capture } from './observe/capture.ts'
import { clientOf } from './observe/clients.ts'
import type { LiveRequests } from './observe/live-requests.ts'
import type { Log } from './observe/log.ts'
import type { Metrics } from './observe/metrics.ts'
import { billedUsage, closeRecord, detach, elapsedMs, openRecord, type RequestRecord } from './observe/record.ts'
import { createTimeline } from './observe/timeline.ts'
import type { ResponseStore } from './store/responses.ts'

export interface AppOptions {
  dialects: Dialects
  gateway: Gateway
  store: ResponseStore
  clock: Clock
  log: Log
  /** A new id that begins with `prefix`. */
  newId: (prefix: string) => string
  version: string
  settings: LiveSettings
  limits: RequestLimits
  /** Removes the operator's secrets from errors. */
  redact: Redact
  /** The secret by which the gateway proves that it is the user's; without one it cannot. */
  identity?: string | undefined
  metrics?: Metrics | undefined
  /** What is kept of requests for a reply; without it all but their bodies. */
  capture?: Capture | undefined
  /** The requests for a reply that are under way. */
  live?: LiveRequests | undefined
  /** What the operator's page sees and does; without it, it can only sign in. */
  operator?: Operator | undefined
  /** Keys that the operator has made; none without a database. */
  keys?: ServedKeys | undefined
  /** What a request has cost, as far as that is known. */
  costOf?: ((record: RequestRecord) => Cost) | undefined
  /** Is called with each request for a reply that its caller might make, once it is over. */
  remember?: ((record: RequestRecord) => void) | undefined
  /** Is called with the record of each request once it is over. */
  trace?: ((record: RequestRecord) => void) | undefined
}

/** The web application: routes, access and request records. It does not listen. */
export function createApp(options: AppOptions) {
  const { dialects, gateway, store, clock, log, newId, version, settings, limits, metrics } = options
  const basePaths = basePathsOf(dialects)
  const likelyDialect = dialectGuess(dialects)
  let { access } = settings
  const keyHeaders = dialects.flatMap(({ keyHeaders = [] }) => keyHeaders)
  const wrongKeys = createWrongKeys(clock, (request) => app.server?.requestIP(request)?.address)
  const operators = createOperatorAccess({
    access: () => settings.access,
    sessions: createOperatorSessions(clock, (bytes) => crypto.getRandomValues(bytes)),
    ...{ keyHeaders, wrongKeys },
  })
  const accessParts = { keyHeaders, operators, wrongKeys, issued: options.keys?.registry.callerOf }
  let checkAccess = createAccess(access, accessParts)
  const records = new WeakMap<Request, RequestRecord>()
  const recordOf = (request: Request): RequestRecord => {
    const record = records.get(request)
    if (!record) throw new Error('a request without a record')
    return record
  }
  /** Requests that the gateway makes of itself, on no connection. */
  const insideCalls = new WeakMap<Request, InsideRequest>()
  /** The route of each request, also if access to it is refused. */
  const matched = new WeakMap<Request, Route>()
  const done = (record: RequestRecord) => {
    record.timeline?.end()
    record.phase = 'done'
    record.totalMs = elapsedMs(record, clock)
    record.usage = billedUsage(record)
    if (options.costOf) record.cost = options.costOf(record)
    limits.release(record)
    void options.keys?.ledger.settle(record)
    metrics?.closed(record, elapsedMs(record, clock))
    options.trace?.(record)
    if (record.timeline) options.operator?.lastHour.add(record)
    for (const call of record.calls) options.operator?.spend.add(call, record.startedAt)
    options.live?.closed(record)
    record.capture?.end()
    if (record.timeline) options.remember?.(record)
    closeRecord(record, clock, log)
    detach(record)
    if (record.timeline) options.operator?.recent.add(record)
  }
  const idleAfter = (request: Request, seconds: number): void => {
    if (!insideCalls.has(request)) app.server?.timeout(request, seconds)
  }
  // The timeout of a request applies to its connection, until the next request sets its own.
  const connection: ServerConnection = {
    setIdleTimeout: (request) => idleAfter(request, Math.min(Math.ceil(settings.stallMs / 1000), 60)),
    abortConnection(request) {
      insideCalls.get(request)?.cut?.()
      idleAfter(request, 1)
    },
  }
  const admitAndReadBody: AdmitAndReadBody = async (request, { cost, check, conversationFields }) => {
    const record = recordOf(request)
    // Bun would end a long upload even while data arrives, and reasoning models are silent for longer than any idle
    // timeout, so the gateway has deadlines of its own for both.
    idleAfter(request, cost === 'allowance' ? 0 : longestIdleSeconds)
    limits.acquire(record)
    if (cost === 'allowance') await limits.charge(record)
    else limits.occupy(record)
    const { maxBodyBytes: maxBytes, bodyTimeoutMs: timeoutMs } = settings
    const reading = readJson(request, { maxBytes, timeoutMs, clock, onText: record.capture?.askedBody })
    record.isArriving = true
    const { body, yieldIfLong } = await unlessEnded(record, reading)
    record.isArriving = false
    limits.countEntries(body, conversationFields)
    check(body)
    await yieldIfLong()
    // The handlers of replies do so when the reply is over.
    if (cost !== 'allowance') connection.setIdleTimeout(request)
    return { body, yieldIfLong }
  }

  const app = new Elysia({
    normalize: false,
    aot: true,
    // Bun's router parses the path in its own way, which may differ from that of readTarget.
    systemRouter: false,
    websocket: { maxPayloadLength: settings.maxBodyBytes },
  })
    .wrap((answer, request) => {
      const record = openRecord(newId('req_'), request.method, readTarget(request), clock)
      if (options.trace) record.traceparent = request.headers.get('traceparent') ?? undefined
      records.set(request, record)
      const inside = insideCalls.get(request)
      if (inside) {
        record.notes.push(inside.note)
        inside.begun?.(record)
      }
      try {
        checkHost(request.headers)
        return answer
      } catch (thrown) {
        return () => reject(request, thrown)
      }
    })
    .onBeforeHandle(({ request }) => {
      // A route that was registered in another way has no access rule, so nobody may use it.
      if (!matched.has(request)) throw new Error('a route without an access of its own')
    })
    // Comes first, so that a permitted page can also read the reason for a refusal.
    .use(crossOrigin(settings.access.corsOrigins, (request) => isOperators(recordOf(request).path)))
    .onRequest(({ request, set }) => {
      // Pages return plain values; the dialects set the header on their own responses.
      if (request.method !== 'POST') set.headers['x-request-id'] = recordOf(request).id
    })
    .onError(({ request, error }) => reject(request, error))
  const backgroundReplies = createBackgroundReplies(store, clock)
  const answering = {
    ...{ gateway, store, backgroundReplies, clock, newId, settings, recordOf, admitAndReadBody, connection },
    recentRepliesOf: (request: Request) => insideCalls.get(request)?.recentReplies,
    gapObserverOf: metrics?.gapObserverOf,
    done,
    redact: options.redact,
    spendingOf: options.keys?.ledger.spendingOf,
  }
  const apiRoutes = [
    ...dialects.flatMap((dialect) => replyRoutes(dialect, basePaths, answering)),
    ...inOrderOfPaths(dialects).flatMap((dialect) => embeddingRoutes(dialect, basePaths, answering)),
  ]
  const pages = [
    ...healthRoutes({
      gateway,
      limits,
      basePaths,
      redact: options.redact,
      isDatabaseAway: options.keys?.isDatabaseAway,
    }),
    ...pageRoutes(version, dialects),
    ...modelRoutes(dialects, basePaths, { gateway, recordOf, admitAndReadBody }),
    ...dialects.flatMap((dialect) => fixedRoutes(dialect, basePaths)),
    ...ownKeyRoutes({ keys: options.keys?.keys, recordOf }),
    ...(metrics ? metricsRoutes(metrics) : []),
    ...(options.identity ? identityRoutes(options.identity, endsOf) : []),
    ...dialects.flatMap((dialect) =>
      socketRoutes(dialect, basePaths, { ask: askInside, upgrade, settings, clock, log }),
    ),
    ...dialects.flatMap((dialect) => storedRoutes(dialect, basePaths, answering)),
    ...dialects.flatMap((dialect) => conversationRoutes(dialect, basePaths, answering)),
    ...adminRoutes({ clock, operators, keys: options.keys?.keys }, options.operator, {
      send: sendInside,
      callerOf: (request) => recordOf(request).caller,
    }),
    ...dialects.flatMap((dialect) => countRoutes(dialect, basePaths, { gateway, store, recordOf, admitAndReadBody })),
  ]
  const docs = docsRoutes({ version, dialects, routes: [...apiRoutes, ...pages] })
  const unknown = unknownRoute(dialects)
  const isOperators = pathsBelow(pages.filter(({ access }) => access === 'operator' || access === 'sign-in'))
  return app.use(mount([...apiRoutes, ...pages, ...docs, unknown], { authorize, otherwise: unknown, onSent }))

  /** `reject` has already closed the record of a refused request. */
  function onSent(request: Request, status: number): void {
    const record = recordOf(request)
    if (record.status !== undefined) return
    record.status = status
    done(record)
  }

  function askInside(request: Request, inside: InsideRequest): Promise<Response> {
    insideCalls.set(request, inside)
    return app.handle(request)
  }

  /** The reply is read to its end, although nobody is there. */
  function sendInside(request: Request, inside: Omit<InsideRequest, 'begun'>): Promise<RequestRecord> {
    const { promise, resolve, reject } = Promise.withResolvers<RequestRecord>()
    readToEnd(askInside(request, { ...inside, begun: resolve })).catch(reject)
    return promise
  }

  function upgrade(request: Request, handlers: SocketHandlers): boolean {
    return app.server?.upgrade(request, { data: handlers, headers: requestIdHeaders(recordOf(request)) }) ?? false
  }

  function endsOf(request: Request): Ends | undefined {
    const { server } = app
    const peer = server?.requestIP(request)
    if (!server?.hostname || !server.port || !peer) return undefined
    return { server: { address: server.hostname, port: server.port }, peer }
  }

  function authorize(request: Request, route: Route): void {
    matched.set(request, route)
    if (access !== settings.access) {
      access = settings.access
      checkAccess = createAccess(access, accessParts)
    }
    const { access: level, dialect } = route
    const record = recordOf(request)
    const keyParameter = route.keyParameter ?? dialect?.keyParameter
    // It must not be captured with the address.
    const queryKey = keyParameter === undefined ? undefined : takeParameter(request, keyParameter)
    record.caller =
      insideCalls.get(request)?.caller ??
      checkAccess(request, {
        access: level,
        credentials: dialect?.credentials,
        dialect: dialect?.id,
        keyHeaders: dialect && (dialect.keyHeaders ?? []),
        queryKey,
      })
    if (!route.endsRecord) return
    const client = clientOf(request.headers)
    if (client) record.client = client
    follow(record, request)
  }

  /** Starts the capture and the timeline, and reports the request to the live list. */
  function follow(record: RequestRecord, { method, url, headers }: Request): void {
    const { capture, live } = options
    record.capture = capture?.begin(record.id, record.startedMonotonic)
    record.capture?.asked({ method, url, headers: [...headers] })
    if (capture?.mode() !== 'off') {
      record.timeline = createTimeline(
        () => elapsedMs(record, clock),
        () => record.onPhase?.(record),
        // By way of the record, which lets go of its messages at its end: the timeline is remembered for longer.
        (attempt) => record.capture?.exchange(attempt),
      )
      record.timeline.begin('read')
    }
    live?.opened(record)
  }

  function reject(request: Request, thrown: unknown): Response {
    const error = redactError(asGatewayError(thrown), options.redact)
    const record = recordOf(request)
    const route = matched.get(request)
    const dialect = route?.dialect ?? likelyDialect(record.path, request.headers)
    const { status, body } = (route?.encodeError ?? dialect.encodeError)(error, record.id)
    connection.setIdleTimeout(request)
    record.error = error
    record.status = status
    const headers = {
      ...requestIdHeaders(record),
      ...errorHeaders(error),
      ...(endsConnection(error) ? { connection: 'close' } : {}),
    }
    record.capture?.answered({ status, headers: Object.entries(headers) })
    record.capture?.written(JSON.stringify(body), clock.monotonic())
    done(record)
    return Response.json(body, { status, headers })
  }
}

async function readToEnd(answering: Promise<Response>): Promise<void> {
  const { body } = await answering
  for await (const _chunk of body ?? []) {
    // Nobody waits for it; its messages are kept on their way.
  }
}

/** When file descriptors run out, idle connections hold some that other requests need. */
function endsConnection(error: GatewayError): boolean {
  return leavesBodyUnread(error) || error.code === 'out_of_file_descriptors'
}

/**
 * Permits the browser origins that the operator named, except on the operator's own routes. Without any, no CORS header is
 * sent.
 */
function crossOrigin(origins: readonly string[], isOperators: (request: Request) => boolean) {
  if (origins.length === 0) return new Elysia()
  const isNamed = (origin: string) => origins.includes('*') || origins.includes(origin)
  const origin = (request: Request) => isNamed(request.headers.get('origin') ?? '') && !isOperators(request)
  return cors({ origin, credentials: false, exposeHeaders: exposed, maxAge: 600 })
}

/** Whether a path begins as one of these routes does, up to its first parameter. */
function pathsBelow(routes: readonly Route[]): (path: string) => boolean {
  const beginnings = new Set(routes.map(({ path }) => path.replace(/\/?(?:[:*].*)?$/, '/')))
  return (path) => [...beginnings].some((beginning) => `${path}/`.startsWith(beginning))
}

/** The longest timeout that Bun accepts. */
const longestIdleSeconds = 255

const exposed = [
  'x-request-id',
  'request-id',
  'x-zai2api-upstream',
  'x-zai2api-ignored',
  'x-should-retry',
  'retry-after',
]
