import file from './models.toml'
import type { ModelFacts } from './table.ts'

/** Tokens of one request. */
export interface BilledTokens {
  /** The tokens of the whole prompt, `cached` included. */
  input: number
  /** Those that the vendor read from its cache. */
  cached?: number | undefined
  /** With reasoning. */
  output: number
}

/** Absent members are not established. */
export interface Cost {
  /** Credits of the coding plan. */
  credits?: number
  /** At the price of the official API, in dollars. */
  usd?: number
  /** Which of the plan's prices `credits` is: that of peak hours or the usual one. */
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
const dayMs = 24 * hourMs

/** What one token costs, in dollars or credits. */
export interface Rates {
  input: number
  cached: number
  output: number
}

/** In dollars; `undefined` where prompts or replies have no known price. */
export function usdRates({ price }: Pick<ModelFacts, 'price'>): Rates | undefined {
  return ratesOf(price, 1_000_000)
}

/** In credits of the coding plan at this instant; `undefined` where they are not known. */
export function creditRates(
  { credits }: Pick<ModelFacts, 'credits'>,
  at: number,
  peak: PeakHours = file.peak,
): Rates | undefined {
  const share = isPeakHour(at, peak) ? 1 : (credits?.off_peak ?? peak.off_peak)
  return ratesOf(credits, 10_000 / share)
}

/** In credits of the coding plan at peak hours. */
export function peakCreditRates({ credits }: Pick<ModelFacts, 'credits'>): Rates | undefined {
  return ratesOf(credits, 10_000)
}

/**
 * What a request costs by what is known of its model; `at` is the instant in epoch milliseconds that decides about peak
 * hours. Cached tokens without a price of their own cost as much as others.
 *
 * Source: the vendor's prices and its page about credits, in models.toml; a row of [[models]] corrects them.
 */
export function costOf(
  tokens: BilledTokens,
  facts: Pick<ModelFacts, 'price' | 'credits'>,
  at: number,
  peak: PeakHours = file.peak,
): Cost {
  const cost: Cost = {}
  const usd = costAt(usdRates(facts), tokens)
  if (usd !== undefined) cost.usd = usd
  const credits = facts.credits && costAt(creditRates(facts, at, peak), tokens)
  if (credits !== undefined) {
    cost.credits = credits
    cost.price = isPeakHour(at, peak) ? 'peak' : 'off-peak'
  }
  return cost
}

/** Both costs, of one instant. */
export function costSum(one: Cost, other: Cost): Cost {
  return {
    ...one,
    ...other,
    ...(one.usd === undefined || other.usd === undefined ? {} : { usd: one.usd + other.usd }),
    ...(one.credits === undefined || other.credits === undefined ? {} : { credits: one.credits + other.credits }),
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

/** From one instant to another, in epoch milliseconds; `to` is exclusive. */
export interface TimeSpan {
  from: number
  to: number
}

/** When the coding plan counts in full between two instants, in order. */
export function peakSpans(
  from: number,
  to: number,
  { weekdays, from_hour, to_hour, utc_offset_hours }: PeakHours = file.peak,
): TimeSpan[] {
  const offset = utc_offset_hours * hourMs
  const spans: TimeSpan[] = []
  for (let day = Math.floor((from + offset) / dayMs); day * dayMs - offset < to; day++) {
    if (!weekdays.includes(new Date(day * dayMs).getUTCDay())) continue
    const midnight = day * dayMs - offset
    const span = { from: Math.max(from, midnight + from_hour * hourMs), to: Math.min(to, midnight + to_hour * hourMs) }
    if (span.from < span.to) spans.push(span)
  }
  return spans
}

/** Cached tokens without a price of their own cost as much as others. */
function ratesOf({ input, cached = input, output }: Partial<Rates> = {}, unit: number): Rates | undefined {
  if (input === undefined || cached === undefined || output === undefined) return undefined
  return { input: input / unit, cached: cached / unit, output: output / unit }
}

function costAt(rates: Rates | undefined, { input, cached = 0, output }: BilledTokens): number | undefined {
  // An upstream that counts more cached tokens than tokens must not make a prompt cheaper than free.
  const uncached = Math.max(0, input - cached)
  return rates && uncached * rates.input + Math.min(cached, input) * rates.cached + output * rates.output
}
