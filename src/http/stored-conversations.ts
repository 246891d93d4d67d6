import type { Dialect } from '../core/dialect.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import { addressesOf } from './base-paths.ts'
import type { Route, RouteContext } from './route.ts'

export interface StoredRouteOptions {
  store: ResponseStore
  recordOf: (request: Request) => RequestRecord
}

/** The routes for the replies that are stored for a caller, in the format of their dialect. */
export function storedRoutes(
  dialect: Dialect,
  basePaths: readonly string[],
  { store, recordOf }: StoredRouteOptions,
): Route[] {
  const { storedConversation } = dialect
  if (!storedConversation) return []
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'stored') return []
    const { method, path, access, summary, deletes } = route
    const handle = async ({ request, params: { id = '' }, query }: RouteContext) => {
      const { keyId } = recordOf(request).caller
      const stored = await store.get(keyId, id)
      if (!stored) throw storedConversation.notFound(id)
      const answer = route.answer(stored, query)
      // Another request may have deleted it meanwhile.
      if (deletes && !(await store.delete(keyId, id))) throw storedConversation.notFound(id)
      return answer
    }
    const docs = { tags: [dialect.id], summary }
    return addressesOf(dialect, path, basePaths, docs).map((address) => ({
      ...address,
      method,
      access,
      dialect,
      handle,
    }))
  })
}
