import type { RequestRecord } from './record.ts'

/** The last requests that are over, with all that is known of them but their bodies. */
export interface RecentRequests {
  /** Takes a record that nothing changes any more. */
  add(record: RequestRecord): void
  find(id: string): RequestRecord | undefined
  /** The requests of the same session and agent right before and after this one. */
  neighbours(record: RequestRecord): { previous?: RequestRecord; next?: RequestRecord }
}

/** About 3 KB each. */
const most = 1_000

export function createRecentRequests(): RecentRequests {
  const records = new Map<string, RequestRecord>()

  return {
    add(record) {
      records.set(record.id, record)
      for (const oldest of records.keys()) {
        if (records.size <= most) break
        records.delete(oldest)
      }
    },
    find: (id) => records.get(id),
    neighbours({ id, session, agent, startedMonotonic: at }) {
      if (session === undefined) return {}
      const turns = [...records.values()].filter(
        (one) => one.session === session && one.agent === agent && one.id !== id,
      )
      const inOrder = turns.toSorted((left, right) => left.startedMonotonic - right.startedMonotonic)
      const previous = inOrder.findLast(({ startedMonotonic }) => startedMonotonic < at)
      const next = inOrder.find(({ startedMonotonic }) => startedMonotonic >= at)
      return { ...(previous ? { previous } : {}), ...(next ? { next } : {}) }
    },
  }
}
