export interface MemoryReadings {
  /** Bytes of memory the process holds. */
  resident(): number
  /** Bytes the objects of the program hold. */
  heapUsed(): number
  /** Bytes the machine has left. */
  available(): number
}

/**
 * What the system says of memory, and where it cannot say, what it said last: Bun reads a file for it, and throws where
 * no file descriptor is left (Bun 1.4.5). Nobody who watches memory is to fail for that.
 */
export function memoryReadings(source: Pick<NodeJS.Process, 'memoryUsage' | 'availableMemory'>): MemoryReadings {
  return {
    resident: lastKnown(() => source.memoryUsage.rss()),
    heapUsed: lastKnown(() => source.memoryUsage().heapUsed),
    available: lastKnown(() => source.availableMemory()),
  }
}

/** Reads once at the start, so that there is a number to fall back to. */
function lastKnown(read: () => number): () => number {
  let known = 0
  const tryAgain = () => {
    try {
      known = read()
    } catch {
      // Then it stays as it was.
    }
    return known
  }
  tryAgain()
  return tryAgain
}
