/** A cache from which the least recently used entries are removed first. */
export interface LruCache<T> {
  get(key: string): T | undefined
  /** A value larger than the whole cache is not kept. */
  put(key: string, value: T, size: number): void
}

/** Keeps values whose sizes add up to at most `maxSize`. The caller chooses the unit of the sizes. */
export function lruCache<T>(maxSize: number): LruCache<T> {
  const entries = new Map<string, { value: T; size: number }>()
  let total = 0

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    put(key, value, size) {
      forget(key)
      if (size > maxSize) return
      entries.set(key, { value, size })
      total += size
      for (const oldest of entries.keys()) {
        if (total <= maxSize) break
        forget(oldest)
      }
    },
  }

  function forget(key: string): void {
    total -= entries.get(key)?.size ?? 0
    entries.delete(key)
  }
}
