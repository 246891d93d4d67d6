import type { Dialect } from '../core/dialect.ts'
import type { KeyBudget } from '../core/dialect-route.ts'
import { addressesOf, basePathsIn } from './base-paths.ts'
import { addressOf } from './own-address.ts'
import type { Route } from './route.ts'

export interface FixedRouteOptions {
  basePaths: readonly string[]
  /** The budgets of the caller's key. */
  budgetsOf: (request: Request) => Promise<readonly KeyBudget[]>
  /** Where the gateway listens, if it does: `http://127.0.0.1:8080`. */
  listening: () => string | undefined
}

/** The routes of a dialect that need neither a model nor anything stored. */
export function fixedRoutes(dialect: Dialect, { basePaths, budgetsOf, listening }: FixedRouteOptions): Route[] {
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'fixed') return []
    const { method, path, access, summary, status = 200, readsBudgets } = route
    const docs = { tags: [dialect.id], summary }
    return addressesOf(basePathsIn(dialect, route), path, basePaths, docs).map((address) => ({
      ...{ method, access, dialect },
      ...address,
      async handle({ request }) {
        const budgets = readsBudgets ? await budgetsOf(request) : []
        const base = addressOf(request, listening()) + address.path.slice(0, -path.length)
        const answer = route.answer({ base, budgets })
        const headers = readsBudgets ? { 'cache-control': 'no-store' } : undefined
        return Response.json(answer, headers ? { status, headers } : { status })
      },
    }))
  })
}
