import { lruCache } from '../core/lru-cache.ts'
import type { StoredResponse } from '../core/stored-conversation.ts'

/** The latest replies on one connection, to which its client may refer although it wanted none stored. */
export interface RecentReplies {
  save(response: StoredResponse): void
  find(id: string): StoredResponse | undefined
}

/** A client forks a few conversations on one connection; each reply holds its conversation from the beginning. */
const mostReplies = 8

export function createRecentReplies(): RecentReplies {
  const replies = lruCache<string, StoredResponse>({ maxEntries: mostReplies })
  return { save: (response) => replies.set(response.id, response), find: (id) => replies.get(id) }
}
