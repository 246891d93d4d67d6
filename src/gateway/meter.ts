import type { Usage } from '../core/events.ts'
import type { ChatRequest } from '../core/request.ts'
import { createCalibration } from '../tokens/calibrate.ts'
import { type Counter, createCounter } from '../tokens/count.ts'
import { loadVocabulary } from '../tokens/vocabulary.ts'
import { fitted } from './fit.ts'
import type { Route } from './route.ts'

/** Knows what a prompt costs before it is sent, and learns from what it did cost. */
export interface Meter {
  measure(route: Route): Promise<Measured>
}

export interface Measured {
  inputTokens: number
  countText: (text: string) => number
  /** Hears what the upstream says the prompt was. */
  learn: (usage: Usage) => void
  /** The request with no more to answer than there is room for. Errors: as `fitted`. */
  fitted: (note: (note: string) => void) => ChatRequest
}

export function createMeter(): Meter {
  const calibration = createCalibration()
  // Loaded for the first request, not at the start: most commands never count.
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
        countText,
        learn: ({ inputTokens }) => calibration.learn(key, counted, inputTokens),
        fitted: (note) => fitted(request, { model, prompt, annotate: note }),
      }
    },
  }
}
