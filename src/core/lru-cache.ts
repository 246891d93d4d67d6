/** Values by key, up to a limit; those not used for the longest time are dropped first. */
export interface LruCache<Key, Value> {
  get(key: Key): Value | undefined
  /** `size` counts against `maxSize`, in the unit of that limit. A value larger than `maxSize` is not kept. */
  set(key: Key, value: Value, size?: number): void
}

export interface LruLimits {
  maxEntries?: number
  /** The most that all values together may take. */
  maxSize?: number
}

export function lruCache<Key, Value>({
  maxEntries = Number.POSITIVE_INFINITY,
  maxSize = Number.POSITIVE_INFINITY,
}: LruLimits): LruCache<Key, Value> {
  // A Map keeps the order of insertion: the first entry is the one that was not used for the longest time.
  const entries = new Map<Key, { value: Value; size: number }>()
  let total = 0

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    set(key, value, size = 1) {
      drop(key)
      if (size > maxSize) return
      entries.set(key, { value, size })
      total += size
      for (const oldest of entries.keys()) {
        if (entries.size <= maxEntries && total <= maxSize) break
        drop(oldest)
      }
    },
  }

  function drop(key: Key): void {
    total -= entries.get(key)?.size ?? 0
    entries.delete(key)
  }
}
