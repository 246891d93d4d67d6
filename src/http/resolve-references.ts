import type { Caller } from '../core/caller.ts'
import type { Dialect } from '../core/dialect.ts'
import type { ResponseStore } from '../store/responses.ts'
import type { RecentReplies } from './recent-replies.ts'

/**
 * The body with its references replaced by the stored replies. Only the caller's own replies are found. Errors: those
 * of `StoredConversation.resolve`.
 */
export async function resolveReferences(
  { storedConversation }: Dialect,
  body: unknown,
  store: ResponseStore,
  { keyId }: Caller,
  recentReplies?: RecentReplies,
): Promise<unknown> {
  if (!storedConversation) return body
  const ids = storedConversation.references(body)
  const found = await Promise.all(ids.map((id) => recentReplies?.find(id) ?? store.get(keyId, id)))
  const responses = new Map(found.flatMap((response) => (response ? [[response.id, response]] : [])))
  return storedConversation.resolve(body, (id) => responses.get(id))
}
