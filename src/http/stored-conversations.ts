import type { Dialect } from '../core/dialect.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import { documented } from './base-paths.ts'
import type { Route, RouteContext } from './route.ts'

export interface StoredRouteOptions {
  store: ResponseStore
  recordOf: (request: Request) => RequestRecord
}

/** What a caller can do with the replies that are stored for it, in the words of their dialect. */
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
      // Somebody else may have been faster.
      if (deletes && !(await store.delete(keyId, id))) throw storedConversation.notFound(id)
      return answer
    }
    return basePaths.map((basePath) => ({
      method,
      path: basePath + path,
      access,
      dialect,
      docs: documented(basePath, dialect.id, summary),
      handle,
    }))
  })
}
