import type { Dialect } from '../core/dialect.ts'
import type { Route } from './route.ts'

/**
 * The base paths that users configure, each before a path such as `/models`: with and without `/v1`, those of
 * OpenRouter and Z.AI, and those of the dialects themselves. Every dialect is served under all of them.
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

/** The base path that the documentation shows. */
export const documentedBasePath = '/v1'

export function documented(basePath: string, tag: string, summary: string): Route['docs'] {
  return basePath === documentedBasePath ? { tags: [tag], summary } : undefined
}
