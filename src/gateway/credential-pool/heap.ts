/** Items of which the least is at hand, and any may leave. O(log n) to add and to remove, next to O(1) in order. */
export interface Heap<Item> {
  first(): Item | undefined
  /** In no particular order. */
  all(): readonly Item[]
  add(item: Item): void
  /** Does nothing where it is not in. */
  remove(item: Item): void
}

/**
 * A binary heap that knows the place of each item. `compare` as for sorting: it must answer the same as long as both
 * are in.
 */
export function createHeap<Item>(compare: (left: Item, right: Item) => number): Heap<Item> {
  const items: Item[] = []
  const places = new Map<Item, number>()

  return {
    first: () => items[0],
    all: () => items,
    add: (item) => rise(item, items.length),
    remove(item) {
      const place = places.get(item)
      const last = items.at(-1)
      if (place === undefined || last === undefined) return
      places.delete(item)
      items.pop()
      if (last !== item) sink(last, rise(last, place))
    },
  }

  function put(item: Item, place: number): void {
    items[place] = item
    places.set(item, place)
  }

  function rise(item: Item, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = items[above]
      if (parent === undefined || compare(parent, item) <= 0) break
      put(parent, place)
      place = above
    }
    put(item, place)
    return place
  }

  function sink(item: Item, from: number): void {
    let place = from
    for (;;) {
      const left = items[2 * place + 1]
      const right = items[2 * place + 2]
      if (left === undefined) break
      const isRight = right !== undefined && compare(right, left) < 0
      const child = isRight ? right : left
      if (compare(item, child) <= 0) break
      put(child, place)
      place = 2 * place + (isRight ? 2 : 1)
    }
    put(item, place)
  }
}
