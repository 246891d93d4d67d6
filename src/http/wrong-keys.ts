import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { lruCache } from '../core/lru-cache.ts'
import { digestOf } from './client-keys.ts'
import { plainAddress } from './gateway-proof.ts'

/** Counts wrong keys by address. It is called only after a key was found wrong, so a right key always works. */
export interface WrongKeys {
  /** How many more keys may be tried from the request's address. */
  left(request: Request): number
  /**
   * Counts the keys of a request, none of which is right, and always throws: `rate-limited` after five other wrong keys
   * in a minute, otherwise what `refusal` returns. `refusal` is called after the keys are counted.
   */
  refuse(request: Request, keys: readonly string[], refusal: () => GatewayError): never
}

const mostWrong = 5
const windowMs = 60_000

/**
 * The most addresses remembered. A caller with more addresses gets more guesses, but still too few to find a long key.
 */
const maxSources = 10_000

/**
 * `peerOf` is the address at the other end of the connection. Headers such as X-Forwarded-For do not count: anybody can
 * send them.
 */
export function createWrongKeys(clock: Clock, peerOf: (request: Request) => string | undefined): WrongKeys {
  // When each wrong key came, in that order.
  const sources = lruCache<string, Map<string, number>>({ maxEntries: maxSources })

  return {
    left: (request) => Math.max(0, mostWrong - recentByAddress(sourceOf(request)).size),
    refuse(request, keys, refusal) {
      const source = sourceOf(request)
      const wrong = recentByAddress(source)
      // A program that keeps sending the same wrong key is not guessing: a repeated key is not counted.
      const fresh = keys.map(textOf).filter((digest) => !wrong.has(digest))
      const [oldest = 0] = wrong.values()
      if (fresh.length > 0 && wrong.size >= mostWrong) throw tooMany(oldest + windowMs - clock.monotonic())
      for (const digest of fresh) wrong.set(digest, clock.monotonic())
      sources.set(source, wrong)
      throw refusal()
    },
  }

  function recentByAddress(source: string): Map<string, number> {
    const wrong = sources.get(source) ?? new Map<string, number>()
    const since = clock.monotonic() - windowMs
    for (const [digest, at] of wrong) if (at <= since) wrong.delete(digest)
    return wrong
  }

  function sourceOf(request: Request): string {
    const peer = plainAddress(peerOf(request) ?? '')
    // A client with one IPv6 address has its whole network.
    return peer.includes(':') ? peer.split(':').slice(0, 4).join(':') : peer
  }
}

function tooMany(waitMs: number): GatewayError {
  return new GatewayError(
    'rate-limited',
    `This key is wrong, and too many others came from the same address: the next one is looked at in ${Math.ceil(waitMs / 1000)} s. The right key works at any time.`,
    { code: 'too_many_attempts', retryAfterMs: waitMs, details: { attempts_left: 0 } },
  )
}

function textOf(key: string): string {
  return Buffer.from(digestOf(key)).toString('base64')
}
