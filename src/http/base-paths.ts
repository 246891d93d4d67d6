import type { Dialect } from '../core/dialect.ts'
import type { Route } from './route.ts'

/**
 * Base URLs that people paste, each in front of a path like `/models`: with and without `/v1`, as OpenRouter and Z.AI
 * write theirs, and as the dialects know theirs. Every dialect is spoken behind all of them.
 */
export function basePathsOf(dialects: readonly Dialect[]): string[] {
  return [...new Set([...commonBasePaths, ...dialects.flatMap(({ basePaths = [] }) => basePaths)])]
}

const commonBasePaths = [
  ...['', '/v1', '/v1/v1'],
  ...['/api', '/api/v1', '/api/v1/v1'],
  ...['/api/paas/v4', '/api/paas/v4/v1'],
  ...['/api/coding/paas/v4', '/api/coding/paas/v4/v1'],
]

/** The only one that the documentation page lists. */
export const documentedBasePath = '/v1'

export function documented(basePath: string, tag: string, summary: string): Route['docs'] {
  return basePath === documentedBasePath ? { tags: [tag], summary } : undefined
}
