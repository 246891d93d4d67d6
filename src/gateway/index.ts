import type { CallerPermissions } from '../core/caller.ts'
import type { EmbeddingReply, EmbeddingRequest } from '../core/embedding.ts'
import { asGatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import { rejectUnknownChoice } from '../core/tool-choice.ts'
import type { ListedModel, Upstream } from '../core/upstream.ts'
import { reachable } from './allowed-upstreams.ts'
import {
  type EmbeddingCandidate,
  type EmbeddingListing,
  embeddingListings,
  routeEmbedding,
} from './embedding-routing.ts'
import { type EmbedOptions, embed } from './embeddings.ts'
import { listedModel } from './listed-model.ts'
import { findModel, listModels, type ModelListing, routeModel, withAllowed } from './model-routing.ts'
import { cleaned, preparerFor } from './prepared-route.ts'
import { type CallOptions, type CountOptions, type GatewayCall, type GatewayOptions, startCall } from './start-call.ts'
import { rejectLongStop } from './stop-sequences.ts'
import { createTokenMeter } from './token-meter.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface Gateway {
  models(allowed?: CallerPermissions): Promise<ListedModel[]>
  /** The model that a request with this name would use, with the name as its id. Errors: `not-found`. */
  model(name: string, allowed?: CallerPermissions): Promise<ListedModel>
  /** Starts a request. Errors: `not-found` for an unknown model, and those of `createAttachments` about files. */
  start(request: ChatRequest, options: CallOptions): Promise<GatewayCall>
  /** Estimates the tokens of the prompt without a request to an upstream. Errors: those of `start`. */
  count(request: ChatRequest, options: CountOptions): Promise<number>
  /** Vectors for texts. Errors: those of `embed`. */
  embed(request: EmbeddingRequest, options: EmbedOptions): Promise<EmbeddingReply>
  /** Resolves if at least one upstream could take a request now. Rejects with the error of the first upstream otherwise. */
  check(signal: AbortSignal): Promise<void>
  /** The ids of upstreams that do not answer. Requests try the others first. */
  unresponsive(): string[]
  /** The gauges of each upstream, and whether it is resting, by id and measure. */
  gauges(): Record<string, Record<string, number>>
  /** Replaces upstreams and settings for all later requests. Running requests keep theirs. */
  replace(upstreams: readonly Upstream[], settings: GatewayOptions): void
}

/** Connects dialects and upstreams: chooses the upstream for a request, and applies the gateway's rules to the reply. */
export function createGateway(
  upstreams: readonly Upstream[],
  settings: GatewayOptions,
  health: UpstreamHealth,
): Gateway {
  const tokenMeter = createTokenMeter()
  return {
    async models(allowed = {}) {
      const listings = await embeddingListings(reachable(upstreams, allowed), allowed.models)
      const embedders = listings.flatMap(({ upstream, models }) =>
        models.map((model) => listedModel(model.id, model, upstream)),
      )
      const listed = listModels(await currentListings(allowed), settings)
      const known = new Set(listed.map(({ id }) => id.toLowerCase()))
      const others = embedders.filter(({ id }) => !known.has(id.toLowerCase()) && known.add(id.toLowerCase()))
      return [...listed, ...others]
    },
    async model(name, allowed = {}) {
      try {
        return findModel(name, await currentListings(allowed), settings)
      } catch (thrown) {
        const listings = await embeddingListings(reachable(upstreams, allowed), allowed.models)
        const names = new Set(listings.flatMap(({ models }) => models.map(({ id }) => id)))
        const found = listings.length > 0 ? embedderNamed(name, listings, allowed) : undefined
        if (found === undefined || !names.has(found.model.id)) throw thrown
        return listedModel(name, found.model, found.upstream, found.model.id)
      }
    },

    async start(wanted, options) {
      rejectUnknownChoice(wanted)
      rejectLongStop(wanted)
      const context = { settings, health, tokenMeter }
      return startCall(wanted, options, { ...context, listings: await currentListings(options.allowed) })
    },

    async count(wanted, options) {
      const prepare = preparerFor(settings, { ...options, counting: true })
      const route = routeModel(cleaned(wanted), await currentListings(options.allowed), settings)
      const { inputTokens } = await tokenMeter.measure(await prepare(route), options.caller)
      return inputTokens
    },

    async embed(wanted, options) {
      const listings = await embeddingListings(reachable(upstreams, options.allowed), options.allowed?.models)
      return await embed(wanted, options, { listings, modelMap: settings.modelMap, health })
    },

    async check(signal) {
      // All at the same time, so that one that does not answer does not delay the others.
      await Promise.any(upstreams.map((upstream) => upstream.check(signal))).catch((thrown) => {
        const [first = new Error('no upstream is configured')] = thrown instanceof AggregateError ? thrown.errors : []
        throw asGatewayError(first)
      })
    },

    unresponsive: () => [...health.outages().keys()].filter(isConfigured),
    gauges: () => Object.fromEntries(upstreams.map((upstream) => [upstream.id, gaugesOf(upstream)])),

    replace(others, changed) {
      upstreams = others
      settings = changed
      health.endRests()
    },
  }

  function embedderNamed(
    name: string,
    listings: EmbeddingListing[],
    allowed: CallerPermissions,
  ): EmbeddingCandidate | undefined {
    try {
      return routeEmbedding(name, listings, { modelMap: settings.modelMap, allowed })[0]
    } catch {
      return undefined
    }
  }

  function isConfigured(id: string): boolean {
    return upstreams.some((upstream) => upstream.id === id)
  }

  function gaugesOf({ id, gauges }: Upstream): Record<string, number> {
    return { ...gauges?.(), resting: health.outages().has(id) ? 1 : 0 }
  }

  async function currentListings(allowed: CallerPermissions = {}): Promise<ModelListing[]> {
    const reached = reachable(upstreams, allowed)
    const lists = await Promise.all(reached.map((upstream) => upstream.models()))
    return reached.map((upstream, index) => withAllowed({ upstream, models: lists[index] ?? [] }, allowed.models))
  }
}
