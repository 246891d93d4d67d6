import type { Caller } from '../core/caller.ts'
import type { Dialect } from '../core/dialect.ts'
import type { ResponseStore } from '../store/responses.ts'

/**
 * A body with the stored replies that it refers to in their place, as far as they are the caller's own: those of
 * others are not there. Errors: as `StoredConversation.resolve`.
 */
export async function resolveReferences(
  { storedConversation }: Dialect,
  body: unknown,
  store: ResponseStore,
  { keyId }: Caller,
): Promise<unknown> {
  if (!storedConversation) return body
  const found = await Promise.all(storedConversation.references(body).map((id) => store.get(keyId, id)))
  const responses = new Map(found.flatMap((response) => (response ? [[response.id, response]] : [])))
  return storedConversation.resolve(body, (id) => responses.get(id))
}
