import type { DialectRoute } from '../../core/dialect-route.ts'

/**
 * Where a Claude Code that has signed in to a gateway sends its telemetry, as OTLP. It is thrown away: a 404 would be an
 * error in the client's log at every attempt. Source: the contract that Claude Code 2.1.332 serves as a gateway.
 */
export const telemetryRoutes: DialectRoute[] = (['metrics', 'logs', 'traces'] as const).map((signal) => ({
  serves: 'fixed',
  access: 'client',
  method: 'POST',
  path: `/${signal}`,
  summary: `Take the ${signal} of Claude Code, and throw them away`,
  answer: () => ({}),
}))
