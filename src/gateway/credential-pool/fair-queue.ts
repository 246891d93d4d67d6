import { createHeap, type Heap } from './heap.ts'

/** A waiting call. */
export interface Queued {
  readonly caller: string
  /** It is served once no other call waits that could be. */
  readonly isBackground: boolean
  /** Calls of one group can be served by the same credentials, so only the first one of a group has to be checked. */
  group: string
  /** Order among the calls of its caller. */
  readonly number: number
  /** The turn of its caller when the call was last served; `undefined` if it never was. */
  turn: number | undefined
}

export interface FairQueue<Item extends Queued> {
  /** Whether one more call of the caller may wait, if at most `limit` calls may wait in total. */
  admits(call: Pick<Queued, 'caller' | 'isBackground'>, limit: number): boolean
  /** Adds a call. A call that was served before and then refused gives its caller that turn back. */
  add(item: Item): void
  remove(item: Item): void
  /** Removes the call, and puts its caller behind all other waiting callers. */
  serve(item: Item): void
  /** The next call of each group. */
  heads(): Iterable<Item>
  /** Whether the turn of `item` comes before that of `other`. */
  precedes(item: Item, other: Item): boolean
  /**
   * Returns a function that tells the position of a call: the number of calls that are served up to and including it, if
   * no more are added. The function is valid until the queue changes, and sorts only once for many calls.
   */
  positions(): (item: Item) => number
  /** Assigns all waiting calls to groups again. The turns stay. */
  regroup(groupOf: (item: Item) => string): void
}

interface QueueCaller<Item> {
  /** The position of the caller in the round robin: the lowest is served next. Unique. */
  turn: number
  isBackground: boolean
  waiting: number
  queues: Map<string, CallerQueue<Item>>
}

/** The calls of one caller in one group. */
interface CallerQueue<Item> {
  caller: QueueCaller<Item>
  calls: Heap<Item>
}

/**
 * A queue that serves callers by round robin, and the calls of one caller in their order.
 *
 * Each caller with waiting calls has a turn, a number; the caller with the lowest one is served next and then gets the
 * highest. A new caller also gets the highest, so it waits for at most one call of each other caller. Adding, removing
 * and serving take O(log n) for each group in which the caller has calls.
 *
 * Calls in the background have turns behind all others, as if another caller had made them.
 */
export function createFairQueue<Item extends Queued>(): FairQueue<Item> {
  const callers = new Map<string, QueueCaller<Item>>()
  const groups = new Map<string, Heap<CallerQueue<Item>>>()
  let turns = 0
  let size = 0

  return {
    admits(call, limit) {
      if (size < limit) return true
      if (call.isBackground) return false
      // A full queue still admits callers that have less than an equal share of it.
      const waiting = callers.get(nameOf(call))?.waiting ?? 0
      const sharers = waiting > 0 ? callers.size : callers.size + 1
      return waiting < Math.ceil(limit / sharers)
    },
    add(item) {
      const { isBackground } = item
      const known = callers.get(nameOf(item))
      const caller = known ?? { turn: lastTurn(isBackground), isBackground, waiting: 0, queues: new Map() }
      callers.set(nameOf(item), caller)
      caller.waiting++
      size++
      if (item.turn !== undefined && item.turn < caller.turn) setTurn(caller, item.turn)
      insert(caller, item)
    },
    remove,
    serve(item) {
      const caller = callers.get(nameOf(item))
      if (caller === undefined) return
      item.turn = caller.turn
      setTurn(caller, lastTurn(item.isBackground))
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
        const own = callers.get(nameOf(item))
        if (own === undefined) return 0
        if (!ranks.has(item)) for (const [rank, each] of itemsOf(own).sort(byNumber).entries()) ranks.set(each, rank)
        const ahead = ranks.get(item) ?? 0
        let before = ahead
        for (const caller of callers.values()) {
          if (caller === own) continue
          const most = caller.turn < own.turn ? ahead + 1 : ahead
          if (caller.isBackground === own.isBackground) before += Math.min(caller.waiting, most)
          else if (own.isBackground) before += caller.waiting
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

  function lastTurn(isBackground: boolean): number {
    return ++turns + (isBackground ? behindAll : 0)
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
    const caller = callers.get(nameOf(item))
    const queue = caller?.queues.get(item.group)
    if (caller === undefined || queue === undefined) return
    queue.calls.remove(item)
    size--
    if (--caller.waiting === 0) callers.delete(nameOf(item))
    if (queue.calls.first() !== undefined) return
    caller.queues.delete(item.group)
    const queues = groups.get(item.group)
    queues?.remove(queue)
    if (queues?.first() === undefined) groups.delete(item.group)
  }

  /** Changes a turn. The heaps are sorted by it, so the caller is taken out of them meanwhile. */
  function setTurn(caller: QueueCaller<Item>, turn: number): void {
    for (const [group, queue] of caller.queues) groups.get(group)?.remove(queue)
    caller.turn = turn
    for (const [group, queue] of caller.queues) groups.get(group)?.add(queue)
  }

  function turnOf(item: Item): number {
    return callers.get(nameOf(item))?.turn ?? Number.POSITIVE_INFINITY
  }
}

/** More turns than there will ever be. */
const behindAll = 2 ** 52

function nameOf({ caller, isBackground }: Pick<Queued, 'caller' | 'isBackground'>): string {
  return isBackground ? `${caller} in the background` : caller
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
