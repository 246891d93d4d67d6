import type { Dialect } from '../core/dialect.ts'
import type { StoredResponse } from '../core/stored-conversation.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import type { BackgroundReplies } from './background-replies.ts'
import { behindBasePaths } from './base-paths.ts'
import { streamHeaders } from './deliver.ts'
import type { LiveSettings } from './live-settings.ts'
import type { RepliesElsewhere } from './replies-elsewhere.ts'
import type { Route, RouteContext } from './route.ts'

export interface StoredRouteOptions {
  store: ResponseStore
  backgroundReplies: BackgroundReplies
  repliesElsewhere: RepliesElsewhere
  settings: LiveSettings
  recordOf: (request: Request) => RequestRecord
}

/** The routes for the replies that are stored for a caller, in the format of their dialect. */
export function storedRoutes(
  dialect: Dialect,
  basePaths: readonly string[],
  { store, backgroundReplies, repliesElsewhere, settings, recordOf }: StoredRouteOptions,
): Route[] {
  const { storedConversation, stream } = dialect
  if (!storedConversation) return []
  const hasBackground = storedConversation.background !== undefined
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'stored') return []
    const { method, path, access, summary, deletes, cancels } = route
    const handle = async ({ request, params: { id = '' }, query }: RouteContext) => {
      const { keyId } = recordOf(request).caller
      const background = backgroundReplies.find(keyId, id)
      const after = storedConversation.background && route.eventsAfter?.(query)
      if (after !== undefined) {
        const keepAlive = { text: stream.keepAlive, everyMs: settings.keepAliveMs }
        const events =
          background?.events(after, keepAlive) ?? (await repliesElsewhere.events(keyId, id, { after, keepAlive }))
        if (events) return new Response(events, { headers: streamHeaders(stream.contentType) })
      }
      if (cancels || deletes) await background?.cancel()
      const stored = id.startsWith(dialect.ids.reply)
        ? (background?.current() ??
          (await storedElsewhere(keyId, id, cancels ? 'cancel' : deletes ? 'cancelIfPossible' : 'current')))
        : undefined
      if (!stored) throw storedConversation.notFound(id)
      const answer = route.answer(stored, query)
      if (deletes) {
        // It comes first: a reply that cannot be deleted now is still there when its client tries again.
        const wasStored = await store.delete(keyId, id)
        const wasRemembered = backgroundReplies.forget(keyId, id)
        if (hasBackground) await repliesElsewhere.forget(keyId, id)
        // Another request may have deleted it meanwhile.
        if (!wasStored && !wasRemembered) throw storedConversation.notFound(id)
        backgroundReplies.forget(keyId, id)
      }
      return answer
    }
    const docs = { tags: [dialect.id], summary }
    return behindBasePaths({ method, path, access, dialect, docs, handle }, basePaths)
  })

  /** A stored reply that this gateway is not known to write, after what is to happen to it. */
  async function storedElsewhere(
    owner: string,
    id: string,
    happens: 'current' | 'cancel' | 'cancelIfPossible',
  ): Promise<StoredResponse | undefined> {
    const stored = await store.get(owner, id)
    const format = storedConversation?.background
    return stored && format ? await repliesElsewhere[happens](owner, stored, format) : stored
  }
}
