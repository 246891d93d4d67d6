import { type HashedBytes, type Ranks, unranked } from './ranks.ts'

/**
 * Counts the tokens of one word, the bytes of a text between two places: of all neighbours that together are a token,
 * those of the lowest rank are joined first, the leftmost of equals, until no two are.
 *
 * Takes n log n steps for n bytes, and keeps the room that the longest word needed.
 */
export function createPairCounter(ranks: Ranks): (text: HashedBytes, start: number, end: number) => number {
  // By the place a part starts at, from the start of the word: the parts beside it, and the rank of it with the next.
  let next = new Int32Array(0)
  let previous = new Int32Array(0)
  let joined = new Int32Array(0)
  // Pairs as one number, the rank above the place: the smallest is on top, and no smaller one is below any.
  let heap = new Float64Array(0)
  let waiting = 0

  return (text, start, end) => {
    if (ranks.find(text, start, end) !== unranked) return 1
    return countParts(text, start, end - start)
  }

  function countParts(text: HashedBytes, start: number, size: number): number {
    if (size >= joined.length) grow(size)
    waiting = 0
    // Behind the last part stands one that reaches too far to be joined.
    next[size] = size + 1
    for (let at = 0; at < size; at++) {
      next[at] = at + 1
      previous[at] = at - 1
      rankPair(text, start, at, at + 2, size)
    }
    let parts = size
    while (waiting > 0) {
      const pair = pop()
      const rank = Math.floor(pair / placesPerRank)
      const at = pair - rank * placesPerRank
      // Out of date: one of the two has been joined with another since.
      if (joined[at] !== rank) continue
      const taken = next[at] ?? size
      const after = next[taken] ?? size
      joined[taken] = unranked
      next[at] = after
      previous[after] = at
      rankPair(text, start, at, next[after] ?? size, size)
      const before = previous[at] ?? -1
      if (before >= 0) rankPair(text, start, before, after, size)
      parts--
    }
    return parts
  }

  /** Looks at the part that starts at a place together with its neighbour, which ends at another. */
  function rankPair(text: HashedBytes, start: number, at: number, end: number, size: number): void {
    const rank = end > size ? unranked : ranks.find(text, start + at, start + end)
    joined[at] = rank
    if (rank !== unranked) push(rank * placesPerRank + at)
  }

  function push(pair: number): void {
    let hole = waiting++
    while (hole > 0) {
      const above = (hole - 1) >> 1
      const other = heap[above] ?? 0
      if (other <= pair) break
      heap[hole] = other
      hole = above
    }
    heap[hole] = pair
  }

  function pop(): number {
    const top = heap[0] ?? 0
    const last = heap[--waiting] ?? 0
    let hole = 0
    for (let below = 1; below < waiting; below = 2 * hole + 1) {
      if (below + 1 < waiting && (heap[below + 1] ?? 0) < (heap[below] ?? 0)) below++
      const other = heap[below] ?? 0
      if (other >= last) break
      heap[hole] = other
      hole = below
    }
    heap[hole] = last
    return top
  }

  function grow(size: number): void {
    const most = Math.max(2 * size, 256)
    next = new Int32Array(most)
    previous = new Int32Array(most)
    joined = new Int32Array(most)
    // Every byte brings one pair and every join, which takes one away, two.
    heap = new Float64Array(2 * most)
  }
}

/** Above every place in a word; with a rank before it, far from where numbers lose their units. */
const placesPerRank = 2 ** 32
