import type { Clock } from '../core/clock.ts'

export interface MemoryReleaseOptions {
  /** Requests that are answered at this moment. */
  running: () => number
  /** Bytes of memory the process holds. */
  resident: () => number
  clock: Clock
  /** Gives unused memory back. Nothing else happens meanwhile. */
  collect: () => void
}

const lookEveryMs = 1_000
/** What a gateway holds that has served 1,000 streams at a time, and some more. */
const minBytes = 256 * 1024 * 1024

/**
 * Gives the memory of a rush back once not even an eighth of it is left; the returned function ends that.
 *
 * The engine keeps what it once needed, and goes through all of it in turn: after 2,000 streams it held 300 MB for good,
 * and each request cost a fifth more (Bun 1.4.5). A collection of all of it brings back 130 MB and the old speed. It
 * takes 50 ms, so it has to be worth it, and few have to notice.
 */
export function releaseMemoryWhenIdle({ running, resident, clock, collect }: MemoryReleaseOptions): () => void {
  let peak = 0
  // How large the rush was that was collected at the last look.
  let collected: number | undefined
  let isWorthCollecting = minBytes
  let stop = clock.after(lookEveryMs, check)
  return () => stop()

  function check(): void {
    stop = clock.after(lookEveryMs, check)
    const now = running()
    peak = Math.max(peak, now)
    // Where it was of little use it soon would be of little use again. The allocator takes a moment to give memory
    // back, and that of another rush says nothing.
    if (collected !== undefined && now <= Math.max(1, collected / 8))
      isWorthCollecting = Math.max(minBytes, 1.5 * resident())
    collected = undefined
    if (now > peak / 8 || resident() < isWorthCollecting) return
    collected = peak
    peak = now
    collect()
  }
}
