/** Signals by name. One that nobody waits for is lost. */
export interface Signals {
  send(name: string): void
  /** The next signal of this name from now on. `stop` must be called when it is not waited for any more. */
  next(name: string): { promise: Promise<void>; stop(): void }
}

export function createSignals(): Signals {
  const waiting = new Map<string, Set<() => void>>()
  return {
    send(name) {
      for (const wake of waiting.get(name) ?? []) wake()
    },
    next(name) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const all = waiting.get(name) ?? new Set()
      waiting.set(name, all.add(resolve))
      return {
        promise,
        stop() {
          all.delete(resolve)
          if (all.size === 0 && waiting.get(name) === all) waiting.delete(name)
        },
      }
    },
  }
}
