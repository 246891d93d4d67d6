/** A priority queue with removal of any item. Adding and removing takes O(log n), and O(1) for items added in order. */
export interface Heap<Item> {
  first(): Item | undefined
  /** In no particular order. */
  all(): readonly Item[]
  add(item: Item): void
  /** Does nothing if the item is not in the heap. */
  remove(item: Item): void
}

/**
 * A binary heap that keeps the index of each item. `compare` works as for sorting, and its result for two items must not
 * change while both are in the heap.
 */
export function createHeap<Item>(compare: (left: Item, right: Item) => number): Heap<Item> {
  const items: Item[] = []
  const indexes = new Map<Item, number>()

  return {
    first: () => items[0],
    all: () => items,
    add: (item) => rise(item, items.length),
    remove(item) {
      const index = indexes.get(item)
      const last = items.at(-1)
      if (index === undefined || last === undefined) return
      indexes.delete(item)
      items.pop()
      if (last !== item) sink(last, rise(last, index))
    },
  }

  function put(item: Item, index: number): void {
    items[index] = item
    indexes.set(item, index)
  }

  function rise(item: Item, from: number): number {
    let index = from
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = items[above]
      if (parent === undefined || compare(parent, item) <= 0) break
      put(parent, index)
      index = above
    }
    put(item, index)
    return index
  }

  function sink(item: Item, from: number): void {
    let index = from
    for (;;) {
      const left = items[2 * index + 1]
      const right = items[2 * index + 2]
      if (left === undefined) break
      const isRight = right !== undefined && compare(right, left) < 0
      const child = isRight ? right : left
      if (compare(item, child) <= 0) break
      put(child, index)
      index = 2 * index + (isRight ? 2 : 1)
    }
    put(item, index)
  }
}
