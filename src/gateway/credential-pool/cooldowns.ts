import type { Clock } from '../../core/clock.ts'
import type { GatewayError } from '../../core/errors.ts'
import { backoffMs } from '../backoff.ts'

/** The cooldowns of one credential, by model. The one under `allModels` holds for every call. */
export type Cooldowns = Map<string, Cooldown>

export const allModels = ''

export interface Cooldown {
  isSuspended: boolean
  error: GatewayError
  /** When it ends, on the monotonic clock. */
  until: number
  /** When it ends in epoch milliseconds, if the upstream named a time. */
  overAt: number | undefined
  consecutiveFailures: number
  /** One call probes whether the credential works again. The others wait for it. */
  isHalfOpen: boolean
}

/** The bounds of a cooldown, which grows with the failures in a row. */
export const shortCooldown = { isSuspended: false, shortestMs: 10_000, longestMs: 60_000 } as const
export const longCooldown = { isSuspended: true, shortestMs: 60_000, longestMs: 30 * 60_000 } as const

export interface BlockReason {
  error: GatewayError
  cooldown: typeof shortCooldown | typeof longCooldown
  /** The duration that the upstream named. */
  forMs?: number | undefined
}

/** Starts or extends a cooldown after a refusal. */
export function block(
  cooldowns: Cooldowns,
  name: string,
  { error, cooldown, forMs }: BlockReason,
  { now, date, random }: { now: number; date: number; random: () => number },
): void {
  const before = cooldowns.get(name)
  const isActive = before !== undefined && !before.isHalfOpen && before.until > now
  // Calls that were sent at the same time are refused at the same time, which counts as one failure.
  if (isActive && forMs === undefined && (before.isSuspended || !cooldown.isSuspended)) return
  const consecutiveFailures = (before?.consecutiveFailures ?? 0) + 1
  const until = now + (forMs ?? backoffMs(cooldown, consecutiveFailures, random))
  const overAt = forMs === undefined ? undefined : date + forMs
  const { isSuspended } = cooldown
  // A cooldown that ends later is not shortened by a new one.
  if (isActive && before.until >= until)
    cooldowns.set(name, before.isSuspended ? before : { ...before, isSuspended, error })
  else cooldowns.set(name, { isSuspended, error, until, overAt, consecutiveFailures, isHalfOpen: false })
  deleteEnded(cooldowns, now)
}

/** The number of models with a cooldown. It is limited because clients could fill the memory with invented names. */
const maxModels = 100

function deleteEnded(cooldowns: Cooldowns, now: number): void {
  if (cooldowns.size <= maxModels) return
  for (const [name, { until, isHalfOpen }] of cooldowns) if (until <= now && !isHalfOpen) cooldowns.delete(name)
  const oldest = [...cooldowns.keys()].find((name) => name !== allModels)
  if (cooldowns.size > maxModels && oldest !== undefined) cooldowns.delete(oldest)
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

/** When the first active cooldown ends; infinity if none is active. */
export function firstEnd(cooldowns: Cooldowns, now: number): number {
  let first = Number.POSITIVE_INFINITY
  for (const { until } of cooldowns.values()) if (until > now && until < first) first = until
  return first
}

/** The error that caused the cooldown. If the upstream named a wait, it is replaced by the remaining one. */
export function errorNow({ error, until }: Cooldown, now: number): GatewayError {
  return error.retryAfterMs === undefined ? error : error.with({ retryAfterMs: until - now })
}

/**
 * Ends the cooldowns whose end is a date that has passed. The monotonic clock, which times them, stands still while a
 * laptop sleeps.
 */
export function endDated(cooldowns: Cooldowns, clock: Clock): void {
  if (cooldowns.size === 0) return
  const date = clock.now()
  for (const cooldown of cooldowns.values())
    if (cooldown.overAt !== undefined && cooldown.overAt <= date)
      cooldown.until = Math.min(cooldown.until, clock.monotonic())
}
