import { asGatewayError } from '../core/errors.ts'
import type { Redact } from '../core/redact.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestLimits } from './limits.ts'
import type { Route } from './route.ts'

/** See `ServerState` of the database. */
type DatabaseState = 'usable' | 'read-only' | 'away'

export interface HealthOptions {
  gateway: Gateway
  limits: RequestLimits
  redact: Redact
  basePaths: readonly string[]
  /** The state of the database of keys. */
  databaseState?: (() => DatabaseState) | undefined
}

/**
 * `/healthz`: the process runs. `/readyz`: a request could succeed now; `degraded` while the database is away or
 * read-only, when keys that are known still work.
 */
export function healthRoutes({ gateway, limits, redact, basePaths, databaseState }: HealthOptions): Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      access: 'health',
      docs: { tags: ['health'], summary: 'The process lives' },
      handle: () => ({ status: 'ok' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'health',
      docs: { tags: ['health'], summary: 'A request could succeed now' },
      async handle({ request }) {
        try {
          if (limits.closed) throw limits.closed
          await gateway.check(request.signal)
          const resting = gateway.unresponsive()
          const database = databaseState?.() ?? 'usable'
          return {
            ...(database === 'usable' ? { status: 'ready' } : degradedBy(database)),
            ...(resting.length > 0 ? { resting } : {}),
          }
        } catch (thrown) {
          const { code, message } = asGatewayError(thrown)
          return Response.json({ status: 'not ready', code, reason: redact(message) }, { status: 503 })
        }
      },
    },
    ...[...basePaths, '/api/hello'].filter((path) => path !== '').map(probe),
  ]
}

function degradedBy(database: Exclude<DatabaseState, 'usable'>): object {
  const reason = {
    away: 'The database cannot be reached, or is a standby. Known keys work for a minute, and what has to be stored waits.',
    'read-only': 'The database is read-only. Requests go on, and what has to be stored waits.',
  } satisfies Record<typeof database, string>
  return { status: 'degraded', database, reason: reason[database] }
}

/** Claude Code checks whether its base URL answers, and accepts any answer. */
function probe(path: string): Route {
  return { method: 'HEAD', path, access: 'open', handle: () => new Response(null) }
}
