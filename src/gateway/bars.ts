import type { GatewayError } from '../core/errors.ts'
import { backoffMs } from './backoff.ts'

/** What keeps calls away: everybody under `everything`, else those for one model. */
export type Bars = Map<string, Bar>

export const everything = ''

interface Bar {
  parked: boolean
  error: GatewayError
  /** On the clock for durations. */
  until: number
  /** Epoch milliseconds, where the upstream named a date. */
  overAt: number | undefined
  /** Refusals in a row. */
  strikes: number
  /** One call finds out whether it is over; the others wait for it. */
  trial: boolean
}

/** How long calls are kept away after refusals in a row. */
export const resting = { parked: false, shortestMs: 10_000, longestMs: 60_000 } as const
export const parking = { parked: true, shortestMs: 60_000, longestMs: 30 * 60_000 } as const

export interface Reason {
  error: GatewayError
  how: typeof resting | typeof parking
  /** How long the upstream says it will be. */
  forMs?: number | undefined
}

/** Keeps calls away after a refusal. */
export function putUp(
  bars: Bars,
  name: string,
  { error, how, forMs }: Reason,
  { now, date, random }: { now: number; date: number; random: () => number },
): void {
  const before = bars.get(name)
  const isUp = before !== undefined && !before.trial && before.until > now
  // Calls that left together come back together: that is one refusal, not many.
  if (isUp && forMs === undefined && (before.parked || !how.parked)) return
  const strikes = (before?.strikes ?? 0) + 1
  const until = now + (forMs ?? backoffMs(how, strikes, random))
  const overAt = forMs === undefined ? undefined : date + forMs
  const { parked } = how
  // What is known to last longer is not over sooner because something else is.
  if (isUp && before.until >= until) bars.set(name, before.parked ? before : { ...before, parked, error })
  else bars.set(name, { parked, error, until, overAt, strikes, trial: false })
  forgetOver(bars, now)
}

/** Models that something is kept of: names that clients make up must not fill the memory. */
const mostModels = 100

function forgetOver(bars: Bars, now: number): void {
  if (bars.size <= mostModels) return
  for (const [name, { until, trial }] of bars) if (until <= now && !trial) bars.delete(name)
  const oldest = [...bars.keys()].find((name) => name !== everything)
  if (bars.size > mostModels && oldest !== undefined) bars.delete(oldest)
}

export function isParking({ parked, until }: Bar, now: number): boolean {
  return parked && until > now
}

export function isClosed(bars: Bars, model: string, now: number): boolean {
  return bars.size > 0 && barsFor(bars, model).some(({ until, trial }) => trial || until > now)
}

export function barsFor(bars: Bars, model: string): Bar[] {
  return [...new Set([everything, model])].flatMap((name) => bars.get(name) ?? [])
}

/** When the first of them that is not over will be. */
export function firstEnd(bars: Bars, now: number): number {
  let first = Number.POSITIVE_INFINITY
  for (const { until } of bars.values()) if (until > now && until < first) first = until
  return first
}

/** The error that parked it, with the wait that is left where the upstream had named one. */
export function errorNow({ error, until }: Bar, now: number): GatewayError {
  return error.retryAfterMs === undefined ? error : error.with({ retryAfterMs: until - now })
}
