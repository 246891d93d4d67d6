import type { Clock } from './clock.ts'

/**
 * What was seen last, by owner. Owners never find each other's entries: even the time that a request takes would tell
 * one client what another one has sent.
 */
export interface RecentByOwner<Entry> {
  /** The latest comes first. */
  of(owner: string): readonly Entry[]
  /** `size` counts against `maxSize`. `replaced` is an earlier entry of the owner that is needed no more. */
  add(owner: string, entry: Entry, size: number, replaced?: Entry): void
}

export interface RecentLimits {
  maxEach: number
  /** The most that the entries of all owners may take together. A larger entry is not kept. */
  maxSize: number
  /** An entry is kept for this long after it was added, and up to twice as long. */
  keepMs: number
}

export function recentByOwner<Entry>({ maxEach, maxSize, keepMs }: RecentLimits, clock: Clock): RecentByOwner<Entry> {
  interface Kept {
    owner: string
    entry: Entry
    size: number
    addedAt: number
  }
  /** The oldest comes first. */
  let all: Kept[] = []
  let entries = new Map<string, Entry[]>()
  let isWaiting = false

  return {
    of: (owner) => entries.get(owner) ?? [],
    add(owner, entry, size, replaced) {
      const others = all.filter((kept) => kept.owner !== owner || kept.entry !== replaced)
      keep(size > maxSize ? others : [...others, { owner, entry, size, addedAt: clock.monotonic() }])
      dropLater()
    },
  }

  /** Keeps the latest of these that the limits allow. */
  function keep(candidates: readonly Kept[]): void {
    let size = 0
    entries = new Map()
    all = candidates
      .toReversed()
      .filter((kept) => {
        const own = entries.get(kept.owner) ?? []
        if (own.length === maxEach || size + kept.size > maxSize) return false
        size += kept.size
        entries.set(kept.owner, [...own, kept.entry])
        return true
      })
      .reverse()
  }

  function dropLater(): void {
    if (isWaiting || all.length === 0) return
    isWaiting = true
    clock.after(keepMs, () => {
      isWaiting = false
      keep(all.filter(({ addedAt }) => clock.monotonic() - addedAt < keepMs))
      dropLater()
    })
  }
}
