import { lruCache } from '../core/lru-cache.ts'

/** Corrects the gateway's token counts by what upstreams have charged for earlier requests. */
export interface Calibration {
  /** `key` is the id of the client's key. */
  correct(model: string, key: string, counted: number): CorrectedForBudgets
  /**
   * `charged` is the upstream's own count of the prompt, including cached tokens. Call it only if every part of the
   * prompt could be counted.
   */
  learn(model: string, key: string, counted: number, charged: number): void
}

/** Units: tokens. */
export interface Corrected {
  /** The best estimate. */
  likely: number
  /** A safe lower bound: a request may be refused for this many tokens. */
  least: number
  /** A probable upper bound: the context window needs room for this many tokens. */
  most: number
}

interface CorrectedForBudgets extends Corrected {
  /**
   * The counts for budgets, a likely one and its upper bound. They have a lower bound that a key cannot change by its
   * own replies.
   */
  billed: { likely: number; most: number }
}

/** The observations from the replies of one key. */
interface Experience {
  seen: Observation[]
  /** The median of their ratios. */
  median: number
}

interface Observation {
  counted: number
  /** Charged divided by counted. */
  ratio: number
}

/** The number of replies that are kept for a key, and the number from which on only they count. */
const window = 50
const fullTrustAt = 20
/**
 * The ratio before any reply. It is 23 % too low for a model with a ratio of 1.5. For most models it is too high rather
 * than too low, so that clients compact their conversations early instead of late.
 */
const priorRatio = 1.15
/** The lowest ratio ever observed with a GLM model. */
const leastRatio = 0.65
/** The highest ratio of a key that is used for others. Ratios of GLM models are up to 1.5. */
const mostVote = 1.75
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
/** The most keys that are remembered for one model. The one that was used longest ago is dropped first. */
const maxKeys = 50

/**
 * Learns the ratio between the upstream's counts and the gateway's for each model of each upstream. The counts differ
 * because of the vocabulary, the template, and the place of tool descriptions in the prompt.
 *
 * The ratio of a key is the median of its own last 50 replies. Until there are 20, it is mixed with an average in which
 * each other key and a cautious prior have one vote. One key alone changes the first counts of others by a quarter at
 * most.
 */
export function createCalibration(): Calibration {
  const models = lruCache<string, Map<string, Experience>>({ maxEntries: maxModels })

  return {
    correct(model, key, counted) {
      const keys = models.get(model)
      const { seen, median: own } = keys?.get(key) ?? unknown
      const trust = Math.min(1, seen.length / fullTrustAt)
      const likely = ratioOfOthers(keys, key) ** (1 - trust) * own ** trust
      const [lowest, highest] = extremes(seen, counted) ?? [leastRatio, Number.POSITIVE_INFINITY]
      const most = Math.min(likely * maxExcess, Math.max(likely, highest))
      return {
        likely: Math.round(counted * likely),
        least: Math.floor(counted * lowest),
        most: Math.ceil(counted * most),
        billed: {
          likely: Math.round(counted * Math.max(likely, leastRatio)),
          most: Math.ceil(counted * Math.max(most, priorRatio)),
        },
      }
    },
    learn(model, key, counted, charged) {
      const ratio = charged / counted
      if (counted < minCounted || !(ratio > 1 / maxRatioFactor && ratio < maxRatioFactor)) return
      const keys = models.get(model) ?? new Map<string, Experience>()
      const seen = [...(keys.get(key)?.seen ?? []), { counted, ratio }].slice(-window)
      // The keys in the order of their last use.
      keys.delete(key)
      keys.set(key, { seen, median: median(seen.map((one) => one.ratio)) })
      const [oldest] = keys.keys()
      if (keys.size > maxKeys && oldest !== undefined) keys.delete(oldest)
      models.set(model, keys)
    },
  }
}

const unknown: Experience = { seen: [], median: 1 }

function ratioOfOthers(keys: ReadonlyMap<string, Experience> | undefined, own: string): number {
  const votes = [priorRatio]
  for (const [key, other] of keys ?? [])
    if (key !== own && other.seen.length >= fullTrustAt)
      votes.push(Math.min(Math.max(other.median, leastRatio), mostVote))
  return median(votes)
}

/** The lowest and the highest recent ratio of prompts of similar or larger size; `undefined` with fewer than 5 of them. */
function extremes(seen: readonly Observation[], counted: number): [lowest: number, highest: number] | undefined {
  if (seen.length < minSimilar) return undefined
  const ratios = seen.filter((other) => other.counted * similarFactor >= counted).map(({ ratio }) => ratio)
  return ratios.length < minSimilar ? undefined : [Math.min(...ratios), Math.max(...ratios)]
}

function median(numbers: number[]): number {
  numbers.sort((a, b) => a - b)
  const middle = numbers.length >> 1
  const high = numbers[middle] ?? 1
  return numbers.length % 2 === 1 ? high : ((numbers[middle - 1] ?? 1) + high) / 2
}
