import { createHeap, type Heap } from './heap.ts'

/** A call that waits. */
export interface Queued {
  readonly caller: string
  /** Calls of one group can be served by the same credentials: what holds for the first holds for all. */
  group: string
  /** Order among the calls of its caller. */
  readonly number: number
  /** The turn of its caller that it was served in before, if it was. */
  turn: number | undefined
}

export interface FairQueue<Item extends Queued> {
  /** Whether one more call of the caller may wait where `limit` may in all. */
  admits(caller: string, limit: number): boolean
  /** A call that was served before, and refused, takes up its caller's turn again. */
  add(item: Item): void
  remove(item: Item): void
  /** Takes the call out, and puts its caller behind all others that wait. */
  serve(item: Item): void
  /** The next call of each group. */
  heads(): Iterable<Item>
  /** Whether the turn of `item` comes before that of `other`. */
  precedes(item: Item, other: Item): boolean
  /**
   * How many calls are served until one is, itself included, if no more come. The function answers for the queue as it is
   * now; asked for many of them it sorts once.
   */
  positions(): (item: Item) => number
  /** Sorts everybody who waits into groups anew; turns stay as they are. */
  regroup(groupOf: (item: Item) => string): void
}

interface QueueCaller<Item> {
  /** Unique; the lowest is next. */
  turn: number
  waiting: number
  queues: Map<string, CallerQueue<Item>>
}

/** The calls of one caller in one group. */
interface CallerQueue<Item> {
  caller: QueueCaller<Item>
  calls: Heap<Item>
}

/**
 * Round robin over callers; first come, first served among the calls of each.
 *
 * A caller is known while calls of it wait. Whoever comes anew goes behind those who wait already, so nobody waits for
 * more than one call of each of them. Adding, removing and serving cost O(log n) for each group that the caller waits in.
 */
export function createFairQueue<Item extends Queued>(): FairQueue<Item> {
  const callers = new Map<string, QueueCaller<Item>>()
  const groups = new Map<string, Heap<CallerQueue<Item>>>()
  let turns = 0
  let size = 0

  return {
    admits(name, limit) {
      if (size < limit) return true
      // A full queue still has room for those who have less than an equal share of it.
      const waiting = callers.get(name)?.waiting ?? 0
      const sharers = waiting > 0 ? callers.size : callers.size + 1
      return waiting < Math.ceil(limit / sharers)
    },
    add(item) {
      const caller = callers.get(item.caller) ?? { turn: ++turns, waiting: 0, queues: new Map() }
      callers.set(item.caller, caller)
      caller.waiting++
      size++
      if (item.turn !== undefined && item.turn < caller.turn) setTurn(caller, item.turn)
      insert(caller, item)
    },
    remove,
    serve(item) {
      const caller = callers.get(item.caller)
      if (caller === undefined) return
      item.turn = caller.turn
      setTurn(caller, ++turns)
      remove(item)
    },
    *heads() {
      for (const queues of groups.values()) {
        const first = queues.first()?.calls.first()
        if (first !== undefined) yield first
      }
    },
    precedes(item, other) {
      return (turnOf(item) - turnOf(other) || item.number - other.number) < 0
    },
    positions() {
      const ranks = new Map<Item, number>()
      return (item) => {
        const own = callers.get(item.caller)
        if (own === undefined) return 0
        if (!ranks.has(item)) for (const [rank, each] of itemsOf(own).sort(byNumber).entries()) ranks.set(each, rank)
        const ahead = ranks.get(item) ?? 0
        let before = ahead
        for (const caller of callers.values()) {
          if (caller === own) continue
          before += Math.min(caller.waiting, caller.turn < own.turn ? ahead + 1 : ahead)
        }
        return before + 1
      }
    },
    regroup(groupOf) {
      groups.clear()
      for (const caller of callers.values()) {
        const items = itemsOf(caller)
        caller.queues.clear()
        for (const item of items) {
          item.group = groupOf(item)
          insert(caller, item)
        }
      }
    },
  }

  function insert(caller: QueueCaller<Item>, item: Item): void {
    const { group } = item
    const known = caller.queues.get(group)
    if (known !== undefined) {
      known.calls.add(item)
      return
    }
    const queue = { caller, calls: createHeap<Item>(byNumber) }
    queue.calls.add(item)
    caller.queues.set(group, queue)
    const queues = groups.get(group) ?? createHeap(byTurn)
    groups.set(group, queues)
    queues.add(queue)
  }

  function remove(item: Item): void {
    const caller = callers.get(item.caller)
    const queue = caller?.queues.get(item.group)
    if (caller === undefined || queue === undefined) return
    queue.calls.remove(item)
    size--
    if (--caller.waiting === 0) callers.delete(item.caller)
    if (queue.calls.first() !== undefined) return
    caller.queues.delete(item.group)
    const queues = groups.get(item.group)
    queues?.remove(queue)
    if (queues?.first() === undefined) groups.delete(item.group)
  }

  /** The heaps sort by it, so it changes while the caller is in none. */
  function setTurn(caller: QueueCaller<Item>, turn: number): void {
    for (const [group, queue] of caller.queues) groups.get(group)?.remove(queue)
    caller.turn = turn
    for (const [group, queue] of caller.queues) groups.get(group)?.add(queue)
  }

  function turnOf({ caller }: Item): number {
    return callers.get(caller)?.turn ?? Number.POSITIVE_INFINITY
  }
}

function byTurn<Item>(left: CallerQueue<Item>, right: CallerQueue<Item>): number {
  return left.caller.turn - right.caller.turn
}

function byNumber(left: Queued, right: Queued): number {
  return left.number - right.number
}

function itemsOf<Item>({ queues }: QueueCaller<Item>): Item[] {
  return [...queues.values()].flatMap(({ calls }) => calls.all())
}
