/** What our vocabulary counts, corrected by what upstreams have charged for such requests. */
export interface Calibration {
  correct(model: string, counted: number): Corrected
  /** `charged` is the upstream's own figure for the prompt, cached tokens included. */
  learn(model: string, counted: number, charged: number): void
}

/** Units: tokens. */
export interface Corrected {
  likely: number
  /** Surely not fewer: what may be held against a request. */
  least: number
  /** Hardly more: what room has to be left for. */
  most: number
}

interface Observation {
  counted: number
  /** Charged : counted. */
  ratio: number
}

/** Replies a model is judged by, and from which number on they are all that counts. */
const window = 50
const enough = 20
/** With no replies yet: 23 % low where the truth is 1.5, and rather high than low elsewhere, as clients compact early then. */
const priorRatio = 1.15
/** No GLM has been seen to need fewer tokens than this for what we count. */
const leastRatio = 0.65
/** How far the truth may lie above what is likely. */
const furthest = 1.25
/** Small prompts are mostly template. */
const smallest = 50
/** Farther off than this, somebody counted something else. */
const credible = 4
/** Prompts this much smaller say little about a large one: what is added to every request weighs more in them. */
const similar = 10
const enoughSimilar = 5
const models = 100

/**
 * Learns, for each upstream's model, how its figures relate to ours: another vocabulary, another template, tools told
 * in prose. The median of the last 50 replies, mixed with a cautious prior until there are 20.
 */
export function createCalibration(): Calibration {
  const observations = new Map<string, Observation[]>()

  return {
    correct(model, counted) {
      const seen = observations.get(model) ?? []
      const likely = likelyRatio(seen)
      const [lowest, highest] = extremes(seen, counted) ?? [leastRatio, Number.POSITIVE_INFINITY]
      return {
        likely: Math.round(counted * likely),
        least: Math.floor(counted * lowest),
        most: Math.ceil(counted * Math.min(likely * furthest, Math.max(likely, highest))),
      }
    },
    learn(model, counted, charged) {
      const ratio = charged / counted
      if (counted < smallest || !(ratio > 1 / credible && ratio < credible)) return
      const seen = observations.get(model) ?? []
      seen.push({ counted, ratio })
      if (seen.length > window) seen.shift()
      observations.delete(model)
      observations.set(model, seen)
      if (observations.size <= models) return
      const [oldest] = observations.keys()
      if (oldest !== undefined) observations.delete(oldest)
    },
  }
}

function likelyRatio(seen: readonly Observation[]): number {
  const trust = Math.min(1, seen.length / enough)
  return priorRatio ** (1 - trust) * median(seen.map(({ ratio }) => ratio)) ** trust
}

/** The lowest and the highest ratio lately seen with prompts of this size. */
function extremes(seen: readonly Observation[], counted: number): [lowest: number, highest: number] | undefined {
  const ratios = seen.filter((other) => other.counted * similar >= counted).map(({ ratio }) => ratio)
  return ratios.length < enoughSimilar ? undefined : [Math.min(...ratios), Math.max(...ratios)]
}

function median(numbers: number[]): number {
  numbers.sort((a, b) => a - b)
  const middle = numbers.length >> 1
  const high = numbers[middle] ?? 1
  return numbers.length % 2 === 1 ? high : ((numbers[middle - 1] ?? 1) + high) / 2
}
