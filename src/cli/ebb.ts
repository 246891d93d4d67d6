import type { Clock } from '../core/clock.ts'

export interface EbbOptions {
  /** Requests that are answered at this moment. */
  running: () => number
  clock: Clock
  /** Gives unused memory back. Nothing else happens meanwhile. */
  collect: () => void
}

const lookEveryMs = 1_000
/** As many at once are a rush: 40 KB each are worth the pause. */
const rush = 200

/**
 * Gives the memory of a rush back once not even an eighth of it is left; the returned function ends that.
 *
 * The engine keeps what it once needed, and goes through all of it in turn: after 2,000 streams it held 300 MB for good,
 * and each request cost a fifth more (Bun 1.4.5). A collection of all of it brings back 130 MB and the old speed; it
 * takes 60 ms, which is why it waits until few are left to notice.
 */
export function afterRush({ running, clock, collect }: EbbOptions): () => void {
  let most = 0
  let stop = clock.after(lookEveryMs, look)
  return () => stop()

  function look(): void {
    stop = clock.after(lookEveryMs, look)
    const now = running()
    most = Math.max(most, now)
    if (most < rush || now > most / 8) return
    most = now
    collect()
  }
}
