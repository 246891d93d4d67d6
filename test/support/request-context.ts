import type { RequestContext } from '../../src/core/dialect.ts'

/** What a request with these headers says besides its body, on a path without parameters. */
export function requestContext(headers: Record<string, string> = {}): RequestContext {
  return { headers: new Headers(headers), params: {}, path: '' }
}
