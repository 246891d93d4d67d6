import type { GatewayError } from '../../core/errors.ts'
import { backoffMs } from '../backoff.ts'

/** What keeps calls away: everybody under `allModels`, else those for one model. */
export type Cooldowns = Map<string, Cooldown>

export const allModels = ''

interface Cooldown {
  isSuspended: boolean
  error: GatewayError
  /** On the clock for durations. */
  until: number
  /** Epoch milliseconds, where the upstream named a date. */
  overAt: number | undefined
  /** Refusals in a row. */
  consecutiveFailures: number
  /** One call finds out whether it is over; the others wait for it. */
  isHalfOpen: boolean
}

/** How long calls are kept away after refusals in a row. */
export const shortCooldown = { isSuspended: false, shortestMs: 10_000, longestMs: 60_000 } as const
export const longCooldown = { isSuspended: true, shortestMs: 60_000, longestMs: 30 * 60_000 } as const

export interface BlockReason {
  error: GatewayError
  cooldown: typeof shortCooldown | typeof longCooldown
  /** How long the upstream says it will be. */
  forMs?: number | undefined
}

/** Keeps calls away after a refusal. */
export function block(
  cooldowns: Cooldowns,
  name: string,
  { error, cooldown, forMs }: BlockReason,
  { now, date, random }: { now: number; date: number; random: () => number },
): void {
  const before = cooldowns.get(name)
  const isActive = before !== undefined && !before.isHalfOpen && before.until > now
  // Calls that left together come back together: that is one refusal, not many.
  if (isActive && forMs === undefined && (before.isSuspended || !cooldown.isSuspended)) return
  const consecutiveFailures = (before?.consecutiveFailures ?? 0) + 1
  const until = now + (forMs ?? backoffMs(cooldown, consecutiveFailures, random))
  const overAt = forMs === undefined ? undefined : date + forMs
  const { isSuspended } = cooldown
  // What is known to last longer is not over sooner because something else is.
  if (isActive && before.until >= until)
    cooldowns.set(name, before.isSuspended ? before : { ...before, isSuspended, error })
  else cooldowns.set(name, { isSuspended, error, until, overAt, consecutiveFailures, isHalfOpen: false })
  forgetOver(cooldowns, now)
}

/** Models that something is kept of: names that clients make up must not fill the memory. */
const mostModels = 100

function forgetOver(cooldowns: Cooldowns, now: number): void {
  if (cooldowns.size <= mostModels) return
  for (const [name, { until, isHalfOpen }] of cooldowns) if (until <= now && !isHalfOpen) cooldowns.delete(name)
  const oldest = [...cooldowns.keys()].find((name) => name !== allModels)
  if (cooldowns.size > mostModels && oldest !== undefined) cooldowns.delete(oldest)
}

export function isSuspension({ isSuspended, until }: Cooldown, now: number): boolean {
  return isSuspended && until > now
}

export function isCoolingDown(cooldowns: Cooldowns, model: string, now: number): boolean {
  return cooldowns.size > 0 && cooldownsFor(cooldowns, model).some(({ until, isHalfOpen }) => isHalfOpen || until > now)
}

export function cooldownsFor(cooldowns: Cooldowns, model: string): Cooldown[] {
  return [...new Set([allModels, model])].flatMap((name) => cooldowns.get(name) ?? [])
}

/** When the first of them that is not over will be. */
export function firstEnd(cooldowns: Cooldowns, now: number): number {
  let first = Number.POSITIVE_INFINITY
  for (const { until } of cooldowns.values()) if (until > now && until < first) first = until
  return first
}

/** The error that parked it, with the wait that is left where the upstream had named one. */
export function errorNow({ error, until }: Cooldown, now: number): GatewayError {
  return error.retryAfterMs === undefined ? error : error.with({ retryAfterMs: until - now })
}
