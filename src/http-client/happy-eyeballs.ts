import { isIP } from 'node:net'
import type { Clock } from '../core/clock.ts'

/** Longest time for one address to answer. */
const addressMs = 3_000
/** Time before the next address is tried as well (RFC 8305, 5). */
const headStartMs = 250

export interface DialOptions {
  addresses: readonly string[]
  clock: Clock
  /**
   * Tries one address; `opened` or `failed` is called at most once. The returned function aborts the attempt, and also
   * closes one that has succeeded.
   */
  attempt(address: string, opened: () => void, failed: (cause: unknown) => void): () => void
  /** All addresses have failed. */
  failed(cause: unknown): void
}

/**
 * Connects to the first address that answers (RFC 8305). Each address gets a head start before the next one, and three
 * seconds in all, so that an unreachable address delays nobody. The returned function aborts everything.
 */
export function dial({ addresses, clock, attempt, failed }: DialOptions): () => void {
  const order = interleaved(addresses)
  // The abort function of each running attempt.
  const running = new Map<number, () => void>()
  let next = 0
  let isOver = false
  let lastFailure: unknown
  let stopHeadStart = () => {}
  startNext()
  return () => finish(undefined)

  function startNext(): void {
    stopHeadStart()
    const index = next++
    const address = order[index]
    if (address === undefined) return
    if (next < order.length) stopHeadStart = clock.after(headStartMs, startNext)
    const stopTimer = clock.after(addressMs, () => {
      const abort = running.get(index)
      running.delete(index)
      abort?.()
      onFailure(timedOut())
    })
    let abortAttempt = () => {}
    running.set(index, () => {
      stopTimer()
      abortAttempt()
    })
    abortAttempt = attempt(
      address,
      () => {
        stopTimer()
        if (running.has(index)) finish(index)
      },
      (cause) => {
        stopTimer()
        if (running.delete(index)) onFailure(cause)
      },
    )
  }

  function onFailure(cause: unknown): void {
    if (isOver) return
    // A refusal says more than a timeout.
    lastFailure = lastFailure === undefined || !isTimeout(cause) ? cause : lastFailure
    if (next < order.length) startNext()
    else if (running.size === 0) {
      finish(undefined)
      failed(lastFailure)
    }
  }

  /** Ends with `winner` connected, and aborts the other attempts. */
  function finish(winner: number | undefined): void {
    if (isOver) return
    isOver = true
    stopHeadStart()
    for (const [index, abort] of running) {
      running.delete(index)
      if (index !== winner) abort()
    }
  }
}

/** Alternates between both address families (RFC 8305, 4). IPv4 is first because it works everywhere. */
function interleaved(addresses: readonly string[]): string[] {
  const ipv4 = addresses.filter((address) => isIP(address) !== 6)
  const ipv6 = addresses.filter((address) => isIP(address) === 6)
  const pairs = Array.from({ length: Math.max(ipv4.length, ipv6.length) }, (_, at) => [ipv4[at], ipv6[at]])
  return pairs.flat().filter((address) => address !== undefined)
}

function timedOut(): Error {
  const error = new Error(`No address answered within ${addressMs} ms.`)
  return Object.assign(error, { code: 'ETIMEDOUT' })
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ETIMEDOUT'
}
