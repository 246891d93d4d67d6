import { costOf, type KeptBody } from './captured-body.ts'

/** The bodies of one request in memory. */
export interface KeptRequest {
  id: string
  startedAt: number
  /** By name; those of an upstream also have the number of the attempt: `upstream-reply 1`. */
  bodies: Map<string, KeptBody>
  /** The memory that the request takes. */
  bytes: number
  /** Whether bodies are still added. */
  isOpen: boolean
  /** Whether the request is written to a file when it is over. */
  toDisk: boolean
}

/** The requests whose bodies are in memory. If they take too much room, the ones not used for the longest time are dropped. */
export interface CapturedRequests {
  /** Begins to keep a request. `roomBytes` holds for all requests from now on. */
  add(request: Pick<KeptRequest, 'id' | 'startedAt' | 'toDisk'>, roomBytes: number): KeptRequest
  /** A request that is kept, which counts as used now. */
  use(id: string): KeptRequest | undefined
  has(request: KeptRequest): boolean
  /** Sets, replaces or removes a body. */
  setBody(request: KeptRequest, name: string, body?: KeptBody): void
  /** Records that a request takes `bytes` more. */
  grow(request: KeptRequest, bytes: number): void
  drop(request: KeptRequest): void
  /** Whether a request had to make room for newer ones. Only the last 1,000 of them are remembered. */
  wasDropped(id: string): boolean
  all(): Iterable<KeptRequest>
  usedBytes(): number
}

/** What a request costs besides its bodies (measured with Bun 1.4.5). */
const requestOverhead = 1_000
const mostDropped = 1_000

export function createCapturedRequests(): CapturedRequests {
  // A Map keeps the order of insertion: the first entry is the one that was not used for the longest time.
  const kept = new Map<string, KeptRequest>()
  // Ids of requests that made room.
  const dropped = new Set<string>()
  let usedBytes = 0
  // As configured when the last request began.
  let roomBytes = 0

  return {
    add({ id, startedAt, toDisk }, room) {
      roomBytes = room
      const request: KeptRequest = { id, startedAt, toDisk, bodies: new Map(), bytes: 0, isOpen: true }
      kept.set(id, request)
      grow(request, requestOverhead)
      return request
    },
    use(id) {
      const request = kept.get(id)
      if (request) {
        kept.delete(id)
        kept.set(id, request)
      }
      return request
    },
    has: (request) => kept.get(request.id) === request,
    setBody(request, name, body) {
      const before = request.bodies.get(name)
      if (body) request.bodies.set(name, body)
      else request.bodies.delete(name)
      grow(request, (body ? costOf(body) : 0) - (before ? costOf(before) : 0))
    },
    grow,
    drop,
    wasDropped: (id) => dropped.has(id),
    all: () => kept.values(),
    usedBytes: () => usedBytes,
  }

  function grow(request: KeptRequest, bytes: number): void {
    if (kept.get(request.id) !== request) return
    request.bytes += bytes
    usedBytes += bytes
    if (usedBytes > roomBytes) makeRoom()
  }

  function makeRoom(): void {
    for (const request of kept.values()) {
      if (usedBytes <= roomBytes) return
      drop(request)
      dropped.add(request.id)
      for (const oldest of dropped) if (dropped.size > mostDropped) dropped.delete(oldest)
    }
  }

  function drop(request: KeptRequest): void {
    request.isOpen = false
    kept.delete(request.id)
    usedBytes -= request.bytes
  }
}
