import { cors } from '@elysiajs/cors'
import { Elysia } from 'elysia'
import type { Route } from '../http/route.ts'

const exposed = [
  'x-request-id',
  'request-id',
  'x-zai2api-upstream',
  'x-zai2api-ignored',
  'x-should-retry',
  'retry-after',
]

/**
 * Permits the browser origins that the operator named, except on the operator's own routes. Without any, no CORS header is
 * sent.
 */
export function crossOrigin(origins: readonly string[], isOperators: (request: Request) => boolean) {
  if (origins.length === 0) return new Elysia()
  const isNamed = (origin: string) => origins.includes('*') || origins.includes(origin)
  const origin = (request: Request) => isNamed(request.headers.get('origin') ?? '') && !isOperators(request)
  return cors({ origin, credentials: false, exposeHeaders: exposed, maxAge: 600 })
}

/** Whether a path begins as one of these routes does, up to its first parameter. */
export function pathsBelow(routes: readonly Route[]): (path: string) => boolean {
  const beginnings = new Set(routes.map(({ path }) => path.replace(/\/?(?:[:*].*)?$/, '/')))
  return (path) => [...beginnings].some((beginning) => `${path}/`.startsWith(beginning))
}
