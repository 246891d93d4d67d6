import { cors } from '@elysiajs/cors'
import { Elysia } from 'elysia'
import { brief } from './core/brief.ts'
import type { Clock } from './core/clock.ts'
import type { Dialect, KeepAliveStyle, ReasoningField } from './core/dialect.ts'
import { asGatewayError, errorHeaders, GatewayError } from './core/errors.ts'
import { anthropicMessages } from './dialects/anthropic-messages/index.ts'
import { openaiChat } from './dialects/openai-chat/index.ts'
import { openaiCompletions } from './dialects/openai-completions/index.ts'
import { openaiResponses } from './dialects/openai-responses/index.ts'
import type { Gateway } from './gateway/run.ts'
import type { ThinkingMode } from './gateway/thinking.ts'
import { type AccessOptions, createAccess, type Surface } from './http/access.ts'
import { joinSlashes } from './http/base-paths.ts'
import { leavesBodyUnread, readJson } from './http/body.ts'
import { countRoutes } from './http/count-tokens.ts'
import { type Connection, dialectRoutes, identify, type TakeBody } from './http/dialect-routes.ts'
import { docsRoutes } from './http/docs.ts'
import { healthRoutes } from './http/health.ts'
import type { Limits } from './http/limits.ts'
import { metricsRoute } from './http/metrics.ts'
import { modelRoutes, speaksAnthropic } from './http/models.ts'
import { responseRoutes } from './http/responses.ts'
import type { Log } from './observe/log.ts'
import type { Metrics } from './observe/metrics.ts'
import { closeRecord, elapsedMs, openRecord, type RequestRecord } from './observe/record.ts'
import type { ResponseStore } from './store/responses.ts'

/** Numbers, keys and the place of the thinking are read for every request: they may change under way. */
export interface AppOptions {
  gateway: Gateway
  store: ResponseStore
  clock: Clock
  log: Log
  /** A fresh id behind `prefix`. */
  newId: (prefix: string) => string
  version: string
  access: AccessOptions
  limits: Limits
  maxBodyBytes: number
  bodyTimeoutMs: number
  keepAliveMs: number
  keepAliveStyle: KeepAliveStyle
  stallMs: number
  thinking: ThinkingMode
  reasoningField: ReasoningField
  metrics?: Metrics | undefined
  /** Hears of every request once it is over. */
  trace?: ((record: RequestRecord) => void) | undefined
}

const dialects: readonly Dialect[] = [openaiChat, openaiResponses, anthropicMessages, openaiCompletions]

/** The whole HTTP surface; it does not listen. */
export function createApp(options: AppOptions) {
  const { gateway, store, clock, log, newId, version, limits, metrics } = options
  let { access } = options
  let admit = createAccess(access)
  const records = new WeakMap<Request, RequestRecord>()
  const recordOf = (request: Request): RequestRecord => {
    const known = records.get(request)
    if (known) return known
    const record = openRecord(newId('req_'), request.method, pathOf(request), clock)
    if (options.trace) record.traceparent = request.headers.get('traceparent') ?? undefined
    records.set(request, record)
    return record
  }
  const done = (record: RequestRecord) => {
    limits.leave(record)
    metrics?.closed(record, elapsedMs(record, clock))
    options.trace?.(record)
    closeRecord(record, clock, log)
  }
  const idleAfter = (request: Request, seconds: number): void => app.server?.timeout(request, seconds)
  // What is set for a request holds for its connection, until the next one sets something else.
  const connection: Connection = {
    settle: (request) => idleAfter(request, Math.min(Math.ceil(options.stallMs / 1000), 60)),
    hangUp: (request) => idleAfter(request, 1),
  }
  const takeBody: TakeBody = async (request, check, paid) => {
    const record = recordOf(request)
    // Bun would end a long upload, however lively, and thinking models are silent for longer than any idle timeout:
    // the deadlines for both are our own.
    idleAfter(request, paid ? 0 : longestIdleSeconds)
    limits.enter(record)
    if (paid) limits.spend(record, surfaceOf(request, record.path))
    const body = await readJson(request, { maxBytes: options.maxBodyBytes, timeoutMs: options.bodyTimeoutMs, clock })
    limits.count(body)
    check(body)
    return body
  }

  const app = new Elysia({ normalize: false, aot: true })
    .wrap((answer, request) => {
      joinSlashes(request)
      return answer
    })
    // First of all, so that a page that may call also may read why it was refused.
    .use(crossOrigin(options.access.corsOrigins))
    .onRequest(({ request, set }) => {
      const path = pathOf(request)
      // Pages answer with plain values; the dialects put it on their own responses.
      if (request.method !== 'POST') set.headers['x-request-id'] = recordOf(request).id
      if (access !== options.access) {
        access = options.access
        admit = createAccess(access)
      }
      try {
        admit(request, path, surfaceOf(request, path))
      } catch (thrown) {
        return refuse(request, thrown)
      }
    })
    .onError(({ request, error, code, path }) => {
      if (code !== 'NOT_FOUND') return refuse(request, error)
      if (isProbe(request, path)) return new Response(null, { headers: identify(recordOf(request)) })
      return refuse(request, notFound(request, path))
    })
  const answering = {
    ...{ gateway, store, clock, newId, recordOf, takeBody, connection, pulseOf: metrics?.pulseOf, done },
    get keepAliveMs() {
      return options.keepAliveMs
    },
    get keepAliveStyle() {
      return options.keepAliveStyle
    },
    get stallMs() {
      return options.stallMs
    },
    get thinking() {
      return options.thinking
    },
    get reasoningField() {
      return options.reasoningField
    },
  }
  for (const dialect of dialects) app.use(dialectRoutes(dialect, answering))
  // The dialect routes close their own records, after the last byte; these are the small pages.
  app
    .onAfterResponse(({ request, set }) => {
      const record = recordOf(request)
      if (record.status !== undefined) return
      record.status = typeof set.status === 'number' ? set.status : 200
      done(record)
    })
    .use(healthRoutes(gateway, version))
    .use(modelRoutes(gateway))
    .use(metricsRoute(metrics))
    .use(responseRoutes(store))
  for (const dialect of dialects) app.use(countRoutes(dialect, { ...options, recordOf, takeBody }))
  return app.use(docsRoutes({ version, dialects, routes: app.routes }))

  function refuse(request: Request, thrown: unknown): Response {
    const error = asGatewayError(thrown)
    const record = recordOf(request)
    const dialect = dialectOf(request)
    const { status, body } = dialect.encodeError(error, record.id)
    connection.settle(request)
    record.error = error
    record.status = status
    done(record)
    const headers = {
      ...identify(record),
      ...errorHeaders(error),
      ...(leavesBodyUnread(error) ? { connection: 'close' } : {}),
    }
    return Response.json(body, { status, headers })
  }
}

/** Browsers of the origins the operator named; without any, no header invites one. */
function crossOrigin(origins: readonly string[]) {
  if (origins.length === 0) return new Elysia()
  const origin = origins.includes('*') ? true : [...origins]
  return cors({ origin, credentials: false, exposeHeaders: exposed, maxAge: 600 })
}

/** Bun's own limit. */
const longestIdleSeconds = 255

const exposed = [
  'x-request-id',
  'request-id',
  'x-zai2api-upstream',
  'x-zai2api-ignored',
  'x-should-retry',
  'retry-after',
]

/** Elysia reads the path the same way: whatever follows the host, without the query. */
function pathOf(request: Request): string {
  const start = request.url.indexOf('/', 11)
  const query = request.url.indexOf('?', start)
  return query < 0 ? request.url.slice(start) : request.url.slice(start, query)
}

/** Whose language a request speaks, also where it is nobody's route. */
function surfaceOf(request: Request, path: string): Surface {
  if (openaiDialects.some((dialect) => isUnder(dialect, path))) return 'openai'
  if (isUnder(anthropicMessages, path) || path.startsWith('/anthropic')) return 'anthropic'
  return speaksAnthropic(request.headers) ? 'anthropic' : 'openai'
}

function dialectOf(request: Request): Dialect {
  const path = pathOf(request)
  if (surfaceOf(request, path) === 'anthropic') return anthropicMessages
  return openaiDialects.find((dialect) => isUnder(dialect, path)) ?? openaiChat
}

/** `/chat/completions` ends in `/completions` too, so it comes before. */
const openaiDialects: readonly Dialect[] = [openaiResponses, openaiChat, openaiCompletions]

function isUnder(dialect: Dialect, path: string): boolean {
  return path.endsWith(dialect.path) || path.includes(`${dialect.path}/`)
}

/** Claude Code asks its base URL for a sign of life, and takes any answer. */
function isProbe(request: Request, path: string): boolean {
  return request.method === 'HEAD' && /^\/(?:v1|anthropic|openai|anthropic\/v1|openai\/v1|api\/hello)?\/?$/.test(path)
}

function notFound(request: Request, path: string): GatewayError {
  return new GatewayError(
    'not-found',
    `${request.method} ${brief(path)} does not exist here. There is POST /v1/chat/completions, POST /v1/responses, POST /v1/messages, GET /v1/models and GET /docs.`,
    { code: 'unknown_url' },
  )
}
