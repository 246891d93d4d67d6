import type { Clock } from '../core/clock.ts'
import { lruCache } from '../core/lru-cache.ts'

/** Wrong keys of each source, so that nobody guesses for long. */
export interface Attempts {
  /** How many other keys the source may still try. */
  left(source: string): number
  /** Until it may try one again; 0 where it may now. */
  waitMs(source: string): number
  /** Whether this very key was wrong already; a program that keeps sending it is no guesser and uses up nothing. */
  isKnown(source: string, digest: Uint8Array): boolean
  wrong(source: string, digest: Uint8Array): void
}

const mostWrong = 5
const windowMs = 60_000

/** Most sources remembered. A caller with more addresses gets more guesses, still too few for a key of sensible length. */
const maxSources = 10_000

/** Each source has five wrong keys a minute, whatever happens at the others: nobody can lock out somebody elsewhere. */
export function createAttempts(clock: Clock): Attempts {
  // When each wrong key came, in that order.
  const sources = lruCache<string, Map<string, number>>({ maxEntries: maxSources })

  return {
    left: (source) => mostWrong - recent(source).size,
    waitMs(source) {
      const wrong = recent(source)
      const [oldest = 0] = wrong.values()
      return wrong.size < mostWrong ? 0 : oldest + windowMs - clock.monotonic()
    },
    isKnown: (source, digest) => recent(source).has(textOf(digest)),
    wrong(source, digest) {
      const wrong = recent(source)
      wrong.set(textOf(digest), clock.monotonic())
      sources.set(source, wrong)
    },
  }

  function recent(source: string): Map<string, number> {
    const wrong = sources.get(source) ?? new Map<string, number>()
    const since = clock.monotonic() - windowMs
    for (const [digest, at] of wrong) if (at <= since) wrong.delete(digest)
    return wrong
  }
}

function textOf(digest: Uint8Array): string {
  return Buffer.from(digest).toString('base64')
}
