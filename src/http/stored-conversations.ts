import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import type { StoredResponse } from '../core/stored-conversation.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import type { BackgroundReplies } from './background-replies.ts'
import { behindBasePaths } from './base-paths.ts'
import { streamHeaders } from './deliver.ts'
import type { LiveSettings } from './live-settings.ts'
import type { Route, RouteContext } from './route.ts'

export interface StoredRouteOptions {
  store: ResponseStore
  backgroundReplies: BackgroundReplies
  clock: Clock
  settings: LiveSettings
  recordOf: (request: Request) => RequestRecord
}

/** The routes for the replies that are stored for a caller, in the format of their dialect. */
export function storedRoutes(
  dialect: Dialect,
  basePaths: readonly string[],
  { store, backgroundReplies, clock, settings, recordOf }: StoredRouteOptions,
): Route[] {
  const { storedConversation, stream } = dialect
  if (!storedConversation) return []
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'stored') return []
    const { method, path, access, summary, deletes, cancels } = route
    const handle = async ({ request, params: { id = '' }, query }: RouteContext) => {
      const { keyId } = recordOf(request).caller
      const background = backgroundReplies.find(keyId, id)
      const after = background && route.eventsAfter?.(query)
      if (after !== undefined) {
        const keepAlive = { text: stream.keepAlive, everyMs: settings.keepAliveMs }
        return new Response(background?.events(after, keepAlive), { headers: streamHeaders(stream.contentType) })
      }
      if (cancels || deletes) await background?.cancel()
      const stored = id.startsWith(dialect.ids.reply)
        ? (background?.current() ?? (await storedReply(keyId, id)))
        : undefined
      if (!stored) throw storedConversation.notFound(id)
      const answer = route.answer(stored, query)
      if (deletes) {
        const wasRemembered = backgroundReplies.forget(keyId, id)
        // Another request may have deleted it meanwhile.
        if (!(await store.delete(keyId, id)) && !wasRemembered) throw storedConversation.notFound(id)
      }
      if (deletes) backgroundReplies.forget(keyId, id)
      return answer
    }
    const docs = { tags: [dialect.id], summary }
    return behindBasePaths({ method, path, access, dialect, docs, handle }, basePaths)
  })

  async function storedReply(owner: string, id: string): Promise<StoredResponse | undefined> {
    const stored = await store.get(owner, id)
    const settled = storedConversation?.background?.settled
    return stored && settled ? { ...stored, reply: settled(stored.reply, Math.floor(clock.now() / 1000)) } : stored
  }
}
