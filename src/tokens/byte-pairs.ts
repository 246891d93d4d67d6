import { type HashedBytes, type Ranks, unranked } from './ranks.ts'

/**
 * Returns a function that counts the tokens of one word by byte pair encoding. The word is the bytes of a text from
 * `start` to `end`. Starting from single bytes, two neighbouring parts that together are a token are joined, the pair of
 * the lowest rank first and the leftmost of equals, until no such pair is left.
 *
 * Takes O(n log n) time for n bytes. The buffers grow to the size of the longest word and are kept.
 */
export function createPairCounter(ranks: Ranks): (text: HashedBytes, start: number, end: number) => number {
  // Indexed by the offset in the word at which a part starts: the offsets of the next and the previous part, and the
  // rank of the part joined with the next one.
  let next = new Int32Array(0)
  let previous = new Int32Array(0)
  let joined = new Int32Array(0)
  // A min-heap of pairs, each as one number: rank × 2³² + offset.
  let heap = new Float64Array(0)
  let heapSize = 0

  return (text, start, end) => {
    if (ranks.find(text, start, end) !== unranked) return 1
    return countParts(text, start, end - start)
  }

  function countParts(text: HashedBytes, start: number, size: number): number {
    if (size >= joined.length) grow(size)
    heapSize = 0
    // A sentinel behind the last part: it ends beyond the word, so it is never joined.
    next[size] = size + 1
    for (let at = 0; at < size; at++) {
      next[at] = at + 1
      previous[at] = at - 1
      rankPair(text, start, at, at + 2, size)
    }
    let parts = size
    while (heapSize > 0) {
      const pair = pop()
      const rank = Math.floor(pair / offsetsPerRank)
      const at = pair - rank * offsetsPerRank
      // The entry is outdated if one of the two parts has been joined with another since.
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

  /** Ranks the pair from offset `at` to offset `end`, and puts it into the heap if it is a token. */
  function rankPair(text: HashedBytes, start: number, at: number, end: number, size: number): void {
    const rank = end > size ? unranked : ranks.find(text, start + at, start + end)
    joined[at] = rank
    if (rank !== unranked) push(rank * offsetsPerRank + at)
  }

  function push(pair: number): void {
    let hole = heapSize++
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
    const last = heap[--heapSize] ?? 0
    let hole = 0
    for (let below = 1; below < heapSize; below = 2 * hole + 1) {
      if (below + 1 < heapSize && (heap[below + 1] ?? 0) < (heap[below] ?? 0)) below++
      const other = heap[below] ?? 0
      if (other >= last) break
      heap[hole] = other
      hole = below
    }
    heap[hole] = last
    return top
  }

  function grow(size: number): void {
    const capacity = Math.max(2 * size, 256)
    next = new Int32Array(capacity)
    previous = new Int32Array(capacity)
    joined = new Int32Array(capacity)
    // Each byte adds one pair. Each join adds at capacity two and removes one.
    heap = new Float64Array(2 * capacity)
  }
}

/** Larger than every offset in a word. A rank and an offset together stay below 2⁵³, so the numbers are exact. */
const offsetsPerRank = 2 ** 32
