import type { Dialect } from '../core/dialect.ts'
import { behindBasePaths } from './base-paths.ts'
import type { Route } from './route.ts'

/** The routes of a dialect that answer every request in the same way. */
export function fixedRoutes(dialect: Dialect, basePaths: readonly string[]): Route[] {
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'fixed') return []
    const { method, path, access, summary } = route
    const docs = { tags: [dialect.id], summary }
    return behindBasePaths({ method, path, access, dialect, docs, handle: () => route.answer() }, basePaths)
  })
}
