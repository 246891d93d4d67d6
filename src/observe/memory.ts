export interface MemoryReadings {
  /** Bytes of memory that the process holds. */
  resident(): number
  /** Bytes of memory that live objects hold. */
  heapUsed(): number
  /** Bytes of memory that the machine has left. */
  available(): number
}

/**
 * Memory readings that never throw. Bun reads a file for them and throws if no file descriptor is left (Bun 1.4.5); the
 * last known number is returned then.
 */
export function memoryReadings(source: Pick<NodeJS.Process, 'memoryUsage' | 'availableMemory'>): MemoryReadings {
  return {
    resident: lastKnown(() => source.memoryUsage.rss()),
    heapUsed: lastKnown(() => source.memoryUsage().heapUsed),
    available: lastKnown(() => source.availableMemory()),
  }
}

/** Reads once at creation, so that there is always a last number. */
function lastKnown(read: () => number): () => number {
  let known = 0
  const tryAgain = () => {
    try {
      known = read()
    } catch {
      // The last number stays.
    }
    return known
  }
  tryAgain()
  return tryAgain
}
