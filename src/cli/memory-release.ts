import type { Clock } from '../core/clock.ts'

export interface MemoryReleaseOptions {
  /** The number of requests that are being answered. */
  running: () => number
  /** Bytes of memory the process holds. */
  resident: () => number
  clock: Clock
  /** Returns unused memory to the system. Blocks the process. */
  collect: () => void
}

const checkEveryMs = 1_000
/** Quiet checks in a row before a collection: an agent that runs a tool between two turns is not done yet. */
const quietChecks = 5
/** A little more than a gateway holds after it has served 1,000 streams at a time. */
const minBytes = 256 * 1024 * 1024

/**
 * Returns memory to the system after a load peak, once no more than an eighth of the peak's requests are running. The
 * returned function stops it.
 *
 * The engine keeps the memory that it once needed, and works slower with it: after 2,000 streams it held 300 MB
 * permanently, and each request cost a fifth more (Bun 1.4.5). A full collection gets back 130 MB and the former speed.
 * It blocks the process for 50 ms, so it runs only if much memory is held and few requests are affected.
 */
export function releaseMemoryWhenIdle({ running, resident, clock, collect }: MemoryReleaseOptions): () => void {
  let peak = 0
  // Quiet checks in a row.
  let quiet = 0
  // The peak after which the last check collected.
  let collected: number | undefined
  let minWorthCollecting = minBytes
  let stop = clock.after(checkEveryMs, check)
  return () => stop()

  function check(): void {
    stop = clock.after(checkEveryMs, check)
    const now = running()
    peak = Math.max(peak, now)
    // A second after a collection, what is still held is in use or cannot be freed: the next one waits until there is
    // half as much again. A reading during a new peak is useless, so it is skipped.
    if (collected !== undefined && now <= Math.max(1, collected / 8))
      minWorthCollecting = Math.max(minBytes, 1.5 * resident())
    collected = undefined
    quiet = now > peak / 8 ? 0 : quiet + 1
    if (quiet < quietChecks || resident() < minWorthCollecting) return
    quiet = 0
    collected = peak
    peak = now
    collect()
  }
}
