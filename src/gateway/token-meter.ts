import type { Usage } from '../core/events.ts'
import type { ChatRequest } from '../core/request.ts'
import { createCalibration } from '../tokens/calibrate.ts'
import { type Counter, createCounter } from '../tokens/request-counter.ts'
import { uncounted } from '../tokens/uncounted.ts'
import { loadVocabulary } from '../tokens/vocabulary.ts'
import { type ClampObservers, clampMaxTokens } from './clamp-max-tokens.ts'
import type { ModelRoute } from './model-routing.ts'

/** Estimates the tokens of a prompt before it is sent, and improves the estimate by the upstream's own counts. */
export interface TokenMeter {
  /** `caller` is the id of the client's key: each has its own estimates. */
  measure(route: Pick<ModelRoute, 'upstream' | 'model' | 'request'>, caller: string): Promise<Measurement>
}

export interface Measurement {
  inputTokens: number
  /** The counts by which the prompt is paid. */
  billed: BilledPrompt
  countText: (text: string) => number
  /** Receives the upstream's own usage of this prompt. */
  learn: (usage: Usage) => void
  /** The request with `max_tokens` reduced to the room that is left. Errors: those of `clampMaxTokens`. */
  clamped: (observers: ClampObservers) => ChatRequest
}

/** Units: tokens. */
export interface BilledPrompt {
  /** The most tokens that it can have with any vocabulary. */
  most(): number
  /** The count that is charged if the upstream does not report its usage. */
  unreported: number
  /** Whether its length is unknown. `most` is then the whole context window of the model. */
  isOpenEnded: boolean
}

/** The largest context window, for models whose own is not known. */
const mostContextTokens = 1_048_576

export function createTokenMeter(): TokenMeter {
  const calibration = createCalibration()
  // Loaded for the first request, because most commands never count.
  let counter: Promise<Counter> | undefined

  return {
    async measure({ upstream, model, request }, caller) {
      counter ??= loadVocabulary().then(createCounter)
      const { countRequest, mostOf, countText } = await counter
      const name = `${upstream.id}/${model.upstreamId}`
      const counted = countRequest(request)
      const prompt = calibration.correct(name, caller, counted)
      const { isComparable, hasUnseenFile, mayGrow, imageTokens } = uncounted(request, model)
      const learned = prompt.billed.most + imageTokens
      const whole = Math.max(learned, model.contextTokens ?? mostContextTokens)
      return {
        inputTokens: prompt.likely,
        billed: {
          most() {
            if (hasUnseenFile || mayGrow) return whole
            // A longer prompt is refused by the model. What was learned includes what an upstream adds to each prompt.
            return Math.max(learned, Math.min(whole, mostOf(request) + imageTokens))
          },
          // Otherwise a client that leaves early would get a large file for the price of a small one.
          unreported: hasUnseenFile ? whole : prompt.billed.likely + imageTokens,
          isOpenEnded: hasUnseenFile || mayGrow,
        },
        countText,
        learn: ({ inputTokens }) => {
          if (isComparable) calibration.learn(name, caller, counted, inputTokens)
        },
        clamped: (observers) => clampMaxTokens(request, { model, prompt, ...observers }),
      }
    },
  }
}
