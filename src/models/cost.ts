import file from './models.toml'
import type { ModelFacts } from './table.ts'

/** Tokens of one request. */
export interface BilledTokens {
  /** Of the whole prompt, `cached` included. */
  input: number
  /** Those that the vendor read from its cache. */
  cached?: number | undefined
  /** With reasoning. */
  output: number
}

/** Absent members are not established. */
export interface Cost {
  /** Of the coding plan. */
  credits?: number
  /** At the price of the official API, in dollars. */
  usd?: number
  /** Which of the plan's prices `credits` has. */
  price?: 'peak' | 'off-peak'
}

/** The hours in which the coding plan counts credits in full, in a time zone without summer time. */
export interface PeakHours {
  /** 0 is Sunday. */
  weekdays: readonly number[]
  from_hour: number
  /** Exclusive. */
  to_hour: number
  utc_offset_hours: number
  off_peak: number
}

const hourMs = 3_600_000

/**
 * What a request costs by what is known of its model; `at` is the instant in epoch milliseconds that decides about peak
 * hours. Cached tokens without a price of their own cost as much as others.
 *
 * Source: the vendor's prices and its page about credits, in models.toml; a row of [[models]] corrects them.
 */
export function costOf(
  tokens: BilledTokens,
  { price, credits }: Pick<ModelFacts, 'price' | 'credits'>,
  at: number,
  peak: PeakHours = file.peak,
): Cost {
  const usd = weighed(tokens, price, 1_000_000)
  const full = weighed(tokens, credits, 10_000)
  const isPeak = isPeakHour(at, peak)
  const share = isPeak ? 1 : (credits?.off_peak ?? peak.off_peak)
  return {
    ...(usd === undefined ? {} : { usd }),
    ...(full === undefined ? {} : { credits: full * share, price: isPeak ? ('peak' as const) : ('off-peak' as const) }),
  }
}

/** Whether the coding plan counts in full at this instant. */
export function isPeakHour(
  at: number,
  { weekdays, from_hour, to_hour, utc_offset_hours }: PeakHours = file.peak,
): boolean {
  // Shifted, the parts of UTC are those of the zone.
  const local = new Date(at + utc_offset_hours * hourMs)
  const hour = local.getUTCHours()
  return weekdays.includes(local.getUTCDay()) && hour >= from_hour && hour < to_hour
}

interface Weights {
  input?: number
  cached?: number
  output?: number
}

/** `undefined` where prompt or reply have no weight. */
function weighed({ input, cached = 0, output }: BilledTokens, weights: Weights | undefined, unit: number) {
  if (weights?.input === undefined || weights.output === undefined) return undefined
  const { cached: cachedWeight = weights.input } = weights
  // An upstream that counts more cached tokens than tokens must not make a prompt cheaper than free.
  const uncached = Math.max(0, input - cached)
  return (uncached * weights.input + Math.min(cached, input) * cachedWeight + output * weights.output) / unit
}
