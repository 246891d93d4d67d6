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
}

/** `/healthz`: the process runs. `/readyz`: a request could succeed now. */
export function healthRoutes({ gateway, limits, redact, basePaths }: HealthOptions): Route[] {
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
          return { status: 'ready', ...(resting.length > 0 ? { resting } : {}) }
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
