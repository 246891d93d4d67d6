import type { Metrics } from '../observe/metrics.ts'
import type { Route } from './route.ts'

/** `GET /metrics` for Prometheus, for the operator. */
export function metricsRoutes(metrics: Metrics): Route[] {
  return [{ method: 'GET', path: '/metrics', access: 'operator', handle: () => metricsPage(metrics) }]
}

export async function metricsPage(metrics: Metrics): Promise<Response> {
  return new Response(await metrics.text(), {
    headers: { 'content-type': metrics.contentType, 'cache-control': 'no-store' },
  })
}
