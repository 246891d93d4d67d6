import type { RequestContext } from '../../src/core/dialect-route.ts'

/** What a request with these headers says besides its body: on a path without parameters, unless others are given. */
export function requestContext(
  headers: Record<string, string> = {},
  { params = {}, query = {}, path = '' }: Partial<RequestContext> = {},
): RequestContext {
  return { headers: new Headers(headers), params, query, path }
}
