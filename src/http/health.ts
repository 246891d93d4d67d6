import { asGatewayError } from '../core/errors.ts'
import type { Redact } from '../core/redact.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestLimits } from './limits.ts'
import type { Route } from './route.ts'

export interface HealthOptions {
  gateway: Gateway
  limits: RequestLimits
  redact: Redact
  basePaths: readonly string[]
  /** Whether the database of keys is out of reach. */
  isDatabaseAway?: (() => boolean) | undefined
}

/**
 * `/healthz`: the process runs. `/readyz`: a request could succeed now; `degraded` while the database is away, when keys
 * that are known still work.
 */
export function healthRoutes({ gateway, limits, redact, basePaths, isDatabaseAway }: HealthOptions): Route[] {
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
          const isDegraded = isDatabaseAway?.() === true
          return {
            status: isDegraded ? 'degraded' : 'ready',
            ...(isDegraded ? { database: 'away' } : {}),
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

/** Claude Code checks whether its base URL answers, and accepts any answer. */
function probe(path: string): Route {
  return { method: 'HEAD', path, access: 'open', handle: () => new Response(null) }
}
