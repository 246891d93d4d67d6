import type { Caller } from '../core/caller.ts'
import type { Dialect } from '../core/dialect.ts'
import type { ResponseStore } from '../store/responses.ts'
import type { RecentReplies } from './recent-replies.ts'
import type { RepliesElsewhere } from './replies-elsewhere.ts'

export interface ReferenceSources {
  store: ResponseStore
  repliesElsewhere: Pick<RepliesElsewhere, 'current'>
}

/**
 * The body with its references replaced by the stored replies. Only the caller's own replies are found. Errors: those
 * of `StoredConversation.resolve`, and `overloaded` while the store cannot be used.
 */
export async function resolveReferences(
  { storedConversation }: Dialect,
  body: unknown,
  { store, repliesElsewhere }: ReferenceSources,
  { keyId }: Caller,
  recentReplies?: RecentReplies,
): Promise<unknown> {
  if (!storedConversation) return body
  const { background } = storedConversation
  const ids = storedConversation.references(body)
  const found = await Promise.all(
    ids.map(async (id) => {
      const recent = recentReplies?.find(id)
      if (recent) return recent
      const stored = await store.get(keyId, id)
      return stored && background ? await repliesElsewhere.current(keyId, stored, background) : stored
    }),
  )
  const responses = new Map(found.flatMap((response) => (response ? [[response.id, response]] : [])))
  return storedConversation.resolve(body, (id) => responses.get(id))
}
