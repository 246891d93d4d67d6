import { callMeter, type MeteredCall } from '../core/call-meter.ts'
import type { CallObserver } from '../core/call-observer.ts'
import type { CallerPermissions } from '../core/caller.ts'
import type { EmbeddingReply, EmbeddingRequest } from '../core/embedding.ts'
import { asGatewayError, GatewayError, invalidField } from '../core/errors.ts'
import type { Reservation, Spending } from '../core/spending.ts'
import type { Model } from '../core/upstream.ts'
import { wellFormed } from '../core/well-formed.ts'
import { decodeTokens } from '../tokens/decode-tokens.ts'
import { mostTokensOf } from '../tokens/most-tokens.ts'
import { createTextCounter } from '../tokens/text-counter.ts'
import { loadVocabulary } from '../tokens/vocabulary.ts'
import { type EmbeddingCandidate, type EmbeddingListing, routeEmbedding } from './embedding-routing.ts'
import { tryInOrder, useNext } from './failover.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface EmbedOptions {
  signal: AbortSignal
  /** Id of the client's key. */
  caller: string
  allowed?: CallerPermissions
  annotate: (note: string) => void
  observer: CallObserver | undefined
  spending: Spending | undefined
  /** Receives each call that may cost something. */
  onCall: (call: MeteredCall) => void
  /** Called with the model and the upstream in use, and again if another one takes over. */
  onRoute: (model: string, upstream: string) => void
}

export interface EmbedDeps {
  listings: readonly EmbeddingListing[]
  modelMap: readonly (readonly [pattern: string, target: string])[]
  health: UpstreamHealth
}

/**
 * Returns vectors for all inputs of a request, in as many calls as the upstream needs, one after the other. If one call
 * fails, the request fails.
 *
 * Errors: `not-found` for an unknown model, `too-large` for more text than any model takes, `invalid-request` for token
 * ids outside the vocabulary and for a vector length that the model does not offer, and those of `Embedder.embed` and
 * `Spending.reserve`.
 */
export async function embed(
  wanted: EmbeddingRequest,
  options: EmbedOptions,
  { listings, modelMap, health }: EmbedDeps,
): Promise<EmbeddingReply> {
  const { signal, caller, allowed = {}, annotate, observer, spending, onCall, onRoute } = options
  const candidates = routeEmbedding(wanted.model, listings, { modelMap, allowed })
  rejectDimensions(wanted.dimensions, candidates[0].model)
  rejectLength(wanted.inputs)
  const texts = await Promise.all(wanted.inputs.map(async (input, index) => wellFormed(await textOf(input, index))))
  const count = createTextCounter(await loadVocabulary())
  const first = useNext(candidates, health) ?? { candidate: candidates[0], release() {} }
  report(first.candidate)
  return tryInOrder(candidates, first, {
    attempt: (candidate) => all(candidate),
    onFallback({ code }, next) {
      annotate(`${code}; going on with ${next.upstream.id}`)
      report(next)
    },
    health,
  })

  function report({ model, upstream }: EmbeddingCandidate): void {
    onRoute(model.id, upstream.id)
    observer?.routed(wanted.model, model.id, 'its name')
    observer?.asks(upstream.id)
  }

  async function all(candidate: EmbeddingCandidate): Promise<EmbeddingReply> {
    const vectors: (readonly number[])[] = []
    let inputTokens = 0
    const { mostTexts } = candidate.embedder
    for (let at = 0; at < texts.length; at += mostTexts) {
      const part = await one(candidate, texts.slice(at, at + mostTexts))
      for (const vector of part.vectors) vectors.push(vector)
      inputTokens += part.inputTokens
    }
    return { vectors, inputTokens }
  }

  async function one({ upstream, embedder, model }: EmbeddingCandidate, part: readonly string[]) {
    const counted = count(part)
    let open: { meter: MeteredCall; reservation: Reservation | undefined } | undefined
    // Outside of `try`, because an error about the budget says nothing about the upstream.
    await bill()
    const startedAt = health.now()
    try {
      const { dimensions } = wanted
      const reply = await embedder.embed({ texts: part, dimensions, model, signal, caller, bill, annotate, observer })
      health.answered(upstream.id)
      return reply.inputTokens > 0 ? reply : { ...reply, inputTokens: counted }
    } catch (thrown) {
      health.failed(upstream.id, asGatewayError(thrown), startedAt)
      throw thrown
    } finally {
      await open?.reservation?.settle()
    }

    async function bill(): Promise<MeteredCall> {
      // A refused request has cost nothing, so its reservation pays for the next one.
      if (open !== undefined && open.meter.usage() === undefined) return open.meter
      await open?.reservation?.settle()
      const meter = callMeter({
        ...{ upstream: upstream.id, model: model.id, inputTokens: counted },
        countTokens: (text) => count([text]),
      })
      const reservation = await spending?.reserve({
        ...{ model, meter, maxTokens: 0, prompt: { most: mostTokensOf(part), likely: counted } },
        longestReply: () => 0,
      })
      open = { meter, reservation }
      onCall(meter)
      return meter
    }
  }
}

async function textOf(input: string | readonly number[], index: number): Promise<string> {
  const text = typeof input === 'string' ? input : await decodeTokens(input)
  if (text === undefined)
    throw invalidField(`input.${index}`, 'holds numbers that are no tokens of cl100k_base; send the text.')
  if (text === '') throw invalidField(`input.${index}`, 'expected some text.')
  return text
}

/**
 * Characters and tokens of all texts in a request. OpenAI takes 300,000 tokens, and models have up to 32,000 for one text;
 * much more holds up other requests, although no upstream would take it.
 */
const mostCharacters = 4_000_000

function rejectLength(inputs: EmbeddingRequest['inputs']): void {
  const length = inputs.reduce((sum, input) => sum + input.length, 0)
  if (length <= mostCharacters) return
  throw new GatewayError(
    'too-large',
    `The texts have ${length} characters together, and a request for embeddings has at most ${mostCharacters}. Send several.`,
    { code: 'embedding_input_too_large' },
  )
}

function rejectDimensions(dimensions: number | undefined, { id, dimensions: known }: Model): void {
  if (dimensions === undefined || known === undefined || known.includes(dimensions)) return
  throw new GatewayError('invalid-request', `dimensions: ${id} has vectors of ${known.join(', ')} numbers.`, {
    param: 'dimensions',
  })
}
