import { isIP } from 'node:net'
import type { Clock } from '../core/clock.ts'

/** How long one address may take to answer. */
const addressMs = 3_000
/** How long the one before it has to answer alone (RFC 8305, 5). */
const headStartMs = 250

export interface DialOptions {
  addresses: readonly string[]
  clock: Clock
  /**
   * Tries one address; `opened` and `failed` are called at most once. What is returned gives the attempt up, also one
   * that has been opened.
   */
  attempt(address: string, opened: () => void, failed: (cause: unknown) => void): () => void
  /** Every address has failed. */
  failed(cause: unknown): void
}

/**
 * Connects to the first address that answers (RFC 8305): each has a head start before the next one, and three seconds
 * in all, so that an address whose packets get lost holds nobody up. What is returned gives up.
 */
export function dial({ addresses, clock, attempt, failed }: DialOptions): () => void {
  const order = interleaved(addresses)
  // What gives up each attempt that runs.
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
      const giveUp = running.get(index)
      running.delete(index)
      giveUp?.()
      lost(timedOut())
    })
    let giveUpAttempt = () => {}
    running.set(index, () => {
      stopTimer()
      giveUpAttempt()
    })
    giveUpAttempt = attempt(
      address,
      () => {
        stopTimer()
        if (running.has(index)) finish(index)
      },
      (cause) => {
        stopTimer()
        if (running.delete(index)) lost(cause)
      },
    )
  }

  function lost(cause: unknown): void {
    if (isOver) return
    // A refusal says more than a silence.
    lastFailure = lastFailure === undefined || !isTimeout(cause) ? cause : lastFailure
    if (next < order.length) startNext()
    else if (running.size === 0) {
      finish(undefined)
      failed(lastFailure)
    }
  }

  /** With `winner` connected; the others are given up. */
  function finish(winner: number | undefined): void {
    if (isOver) return
    isOver = true
    stopHeadStart()
    for (const [index, giveUp] of running) {
      running.delete(index)
      if (index !== winner) giveUp()
    }
  }
}

/** By turns of both families (RFC 8305, 4), IPv4 first: it is routed everywhere. */
function interleaved(addresses: readonly string[]): string[] {
  const old = addresses.filter((address) => isIP(address) !== 6)
  const recent = addresses.filter((address) => isIP(address) === 6)
  const pairs = Array.from({ length: Math.max(old.length, recent.length) }, (_, at) => [old[at], recent[at]])
  return pairs.flat().filter((address) => address !== undefined)
}

function timedOut(): Error {
  const error = new Error(`No address answered within ${addressMs} ms.`)
  return Object.assign(error, { code: 'ETIMEDOUT' })
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ETIMEDOUT'
}
