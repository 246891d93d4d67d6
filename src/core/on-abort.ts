/** What runs when a signal aborts. A signal that is gone takes its entry with it. */
const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Runs `run` once when `signal` aborts, and not if it has aborted before. `run` must not throw. The returned function
 * removes it again.
 *
 * A signal gets one listener of the engine, whatever number of places wait for it: each takes 2 µs to add and to remove,
 * and a request has several.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const running = listeners.get(signal) ?? listened(signal)
  running.add(run)
  return () => running.delete(run)
}

function listened(signal: AbortSignal): Set<() => void> {
  const running = new Set<() => void>()
  listeners.set(signal, running)
  signal.addEventListener(
    'abort',
    () => {
      for (const run of running) run()
    },
    { once: true },
  )
  return running
}
