import type { Dialect } from '../core/dialect.ts'
import type { FixedRoute } from '../core/dialect-route.ts'
import type { Route } from './route.ts'

/**
 * The base paths that users configure, each before a path such as `/models`: with and without `/v1`, those of
 * OpenRouter, Z.AI and Google (for the clients of OpenAI), and those of the dialects themselves. Every dialect is served under all of them.
 */
export function basePathsOf(dialects: readonly Dialect[]): string[] {
  return [...new Set([...commonBasePaths, ...dialects.flatMap(({ basePaths = [] }) => basePaths)])]
}

/** Those under which every dialect without base paths of its own is served. */
export const commonBasePaths: readonly string[] = [
  ...['', '/v1', '/v1/v1'],
  ...['/api', '/api/v1', '/api/v1/v1'],
  '/v1beta/openai',
  ...['/api/paas/v4', '/api/paas/v4/v1'],
  ...['/api/coding/paas/v4', '/api/coding/paas/v4/v1'],
]

/** The base path that the documentation shows for dialects that name none. */
export const usualBasePath = '/v1'

type BasePaths = Pick<Dialect, 'ownBasePaths' | 'documentedBasePath'>

/** The base paths of a route: its own, or else those of its dialect. */
export function basePathsIn(dialect: Dialect, { basePaths }: Pick<FixedRoute, 'basePaths'>): BasePaths {
  return basePaths ? { ownBasePaths: basePaths } : dialect
}

/** The path of a route as the documentation shows it; `path` is what goes behind a base path. */
export function documentedPath({ ownBasePaths, documentedBasePath = usualBasePath }: BasePaths, path: string): string {
  return (ownBasePaths?.[0] ?? documentedBasePath) + path
}

/** One route of a dialect, registered behind each of its base paths: `common`, unless the dialect has its own. */
export function behindBasePaths(route: Route & { dialect: Dialect }, common: readonly string[]): Route[] {
  return addressesOf(route.dialect, route.path, common, route.docs).map((address) => ({ ...route, ...address }))
}

/** The paths at which `behindBasePaths` registers a route. Only the documented one has `docs`. */
export function addressesOf(
  dialect: BasePaths,
  path: string,
  common: readonly string[],
  docs: Route['docs'],
): Pick<Route, 'path' | 'docs'>[] {
  const shown = documentedPath(dialect, path)
  return (dialect.ownBasePaths ?? common).map((basePath) => {
    const address = basePath + path
    return { path: address, docs: address === shown ? docs : undefined }
  })
}

/** Dialects with base paths of their own come first, because of two routes with the same path the first one answers. */
export function inOrderOfPaths(dialects: readonly Dialect[]): Dialect[] {
  return dialects.toSorted(
    (one, other) => Number(other.ownBasePaths !== undefined) - Number(one.ownBasePaths !== undefined),
  )
}
