import type { Usage } from '../core/events.ts'
import type { ChatRequest } from '../core/request.ts'
import { createCalibration } from '../tokens/calibrate.ts'
import { type Counter, createCounter } from '../tokens/request-counter.ts'
import { loadVocabulary } from '../tokens/vocabulary.ts'
import { type ClampObservers, clampMaxTokens } from './clamp-max-tokens.ts'
import type { ModelRoute } from './model-routing.ts'

/** Estimates the tokens of a prompt before it is sent, and improves the estimate by the upstream's own counts. */
export interface TokenMeter {
  measure(route: ModelRoute): Promise<Measurement>
}

export interface Measurement {
  inputTokens: number
  /** The most that the prompt probably has. */
  mostInputTokens: number
  countText: (text: string) => number
  /** Receives the upstream's own usage of this prompt. */
  learn: (usage: Usage) => void
  /** The request with `max_tokens` reduced to the room that is left. Errors: those of `clampMaxTokens`. */
  clamped: (observers: ClampObservers) => ChatRequest
}

export function createTokenMeter(): TokenMeter {
  const calibration = createCalibration()
  // Loaded for the first request, because most commands never count.
  let counter: Promise<Counter> | undefined

  return {
    async measure({ upstream, model, request }) {
      counter ??= loadVocabulary().then(createCounter)
      const { countRequest, countText } = await counter
      const key = `${upstream.id}/${model.upstreamId}`
      const counted = countRequest(request)
      const prompt = calibration.correct(key, counted)
      return {
        inputTokens: prompt.likely,
        mostInputTokens: prompt.most,
        countText,
        learn: ({ inputTokens }) => calibration.learn(key, counted, inputTokens),
        clamped: (observers) => clampMaxTokens(request, { model, prompt, ...observers }),
      }
    },
  }
}
