import type { Clock } from './clock.ts'

/**
 * What was seen last, by owner. Owners never find each other's entries: even the time that a request takes would tell
 * one client what another one has sent.
 */
export interface RecentByOwner<Entry> {
  /** The latest comes first. */
  of(owner: string): readonly Entry[]
  /** `replaced` is an earlier entry of the owner that is needed no more. */
  add(owner: string, entry: Entry, size: EntrySize, replaced?: Entry): void
}

/** What the memory of an entry is estimated from. */
export interface EntrySize {
  /** Bytes of JSON, which are kept beside the texts that they hold. */
  bytes: number
  /** Values in that JSON. */
  values: number
}

const maxEach = 8
/** The most memory that the entries of all owners may take together, in bytes. A larger entry is not kept. */
const maxMemory = 16 * 1024 * 1024
/** An entry is kept for this long after it was added, and up to twice as long. */
const keepMs = 5 * 60_000
/** Memory of one JSON value, however short (measured with empty lists). */
const bytesPerValue = 100

export function recentByOwner<Entry>(clock: Clock): RecentByOwner<Entry> {
  interface Kept {
    owner: string
    entry: Entry
    memory: number
    addedAt: number
  }
  /** The oldest comes first. */
  let all: Kept[] = []
  let entries = new Map<string, Entry[]>()
  let isWaiting = false

  return {
    of: (owner) => entries.get(owner) ?? [],
    add(owner, entry, size, replaced) {
      const memory = 2 * size.bytes + bytesPerValue * size.values
      const others = all.filter((kept) => kept.owner !== owner || kept.entry !== replaced)
      keep(memory > maxMemory ? others : [...others, { owner, entry, memory, addedAt: clock.monotonic() }])
      dropLater()
    },
  }

  /** Keeps the latest of these that the limits allow. */
  function keep(candidates: readonly Kept[]): void {
    let memory = 0
    entries = new Map()
    all = candidates
      .toReversed()
      .filter((kept) => {
        const own = entries.get(kept.owner) ?? []
        if (own.length === maxEach || memory + kept.memory > maxMemory) return false
        memory += kept.memory
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
