import type { Model } from '../core/upstream.ts'
import type { ModelFacts } from './table.ts'

/** A model as the gateway offers it, from the facts about it. `upstreamId` is the name that the upstream uses. */
export function modelOf(facts: ModelFacts, upstreamId: string): Model {
  const {
    id,
    releasedAtSeconds,
    contextTokens,
    maxOutputTokens,
    input,
    reasoning,
    webSearch,
    defaultTemperature,
    price,
    kind,
    dimensions,
  } = facts
  return {
    id,
    upstreamId,
    createdAtSeconds: releasedAtSeconds,
    vision: input.has('image'),
    video: input.has('video'),
    files: input.has('file'),
    reasoning: reasoning === 'never' ? 'never' : 'by-default',
    search: webSearch,
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(defaultTemperature === undefined ? {} : { defaultTemperature }),
    ...(price === undefined ? {} : { price }),
    ...(kind === 'embedding' ? { embeds: true } : {}),
    ...(dimensions === undefined ? {} : { dimensions }),
  }
}
