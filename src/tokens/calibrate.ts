import { lruCache } from '../core/lru-cache.ts'

/** Corrects the gateway's token counts by what upstreams have charged for earlier requests. */
export interface Calibration {
  correct(model: string, counted: number): Corrected
  /** `charged` is the upstream's own count of the prompt, including cached tokens. */
  learn(model: string, counted: number, charged: number): void
}

/** Units: tokens. */
export interface Corrected {
  /** The best estimate. */
  likely: number
  /** A safe lower bound: a request may be refused for this many tokens. */
  least: number
  /** A probable upper bound: room has to be left for this many tokens. */
  most: number
}

interface Observation {
  counted: number
  /** Charged divided by counted. */
  ratio: number
}

/** The number of replies that are kept for a model, and the number from which on the prior has no weight. */
const window = 50
const fullTrustAt = 20
/**
 * The ratio before any reply. It is 23 % too low for a model with a ratio of 1.5, and otherwise too high rather than too
 * low: clients then compact their conversation early instead of late.
 */
const priorRatio = 1.15
/** The lowest ratio ever observed with a GLM model. */
const leastRatio = 0.65
/** The factor by which the true count may be above the likely one. */
const maxExcess = 1.25
/** Smaller prompts, in tokens, are ignored: they consist mostly of the template. */
const minCounted = 50
/** Ratios beyond this factor, up or down, are ignored: the upstream counted something else. */
const maxRatioFactor = 4
/** Prompts that are smaller by more than this factor are not compared: the tokens added to every request weigh more in them. */
const similarFactor = 10
const minSimilar = 5
const maxModels = 100

/**
 * Learns the ratio between the upstream's counts and the gateway's for each model of each upstream. They differ by the
 * vocabulary, by the template, and where tools are described in the prompt. The ratio is the median of the last 50
 * replies, mixed with a cautious prior until there are 20.
 */
export function createCalibration(): Calibration {
  const observations = lruCache<string, Observation[]>({ maxEntries: maxModels })

  return {
    correct(model, counted) {
      const seen = observations.get(model) ?? []
      const likely = likelyRatio(seen)
      const [lowest, highest] = extremes(seen, counted) ?? [leastRatio, Number.POSITIVE_INFINITY]
      return {
        likely: Math.round(counted * likely),
        least: Math.floor(counted * lowest),
        most: Math.ceil(counted * Math.min(likely * maxExcess, Math.max(likely, highest))),
      }
    },
    learn(model, counted, charged) {
      const ratio = charged / counted
      if (counted < minCounted || !(ratio > 1 / maxRatioFactor && ratio < maxRatioFactor)) return
      const seen = observations.get(model) ?? []
      seen.push({ counted, ratio })
      if (seen.length > window) seen.shift()
      observations.set(model, seen)
    },
  }
}

function likelyRatio(seen: readonly Observation[]): number {
  const trust = Math.min(1, seen.length / fullTrustAt)
  return priorRatio ** (1 - trust) * median(seen.map(({ ratio }) => ratio)) ** trust
}

/** The lowest and the highest recent ratio of prompts of similar or larger size; `undefined` with fewer than 5 of them. */
function extremes(seen: readonly Observation[], counted: number): [lowest: number, highest: number] | undefined {
  const ratios = seen.filter((other) => other.counted * similarFactor >= counted).map(({ ratio }) => ratio)
  return ratios.length < minSimilar ? undefined : [Math.min(...ratios), Math.max(...ratios)]
}

function median(numbers: number[]): number {
  numbers.sort((a, b) => a - b)
  const middle = numbers.length >> 1
  const high = numbers[middle] ?? 1
  return numbers.length % 2 === 1 ? high : ((numbers[middle - 1] ?? 1) + high) / 2
}
