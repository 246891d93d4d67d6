import type { PrepareAttachments, PrepareOptions } from '../attachments/index.ts'
import { withCallIds } from '../core/call-ids.ts'
import type { MeteredCall } from '../core/call-meter.ts'
import type { CallObserver } from '../core/call-observer.ts'
import type { Allowance } from '../core/caller.ts'
import type { EmbeddingReply, EmbeddingRequest } from '../core/embedding.ts'
import { asGatewayError, GatewayError } from '../core/errors.ts'
import type { Delta, StreamEvent } from '../core/events.ts'
import type { ReplyStream } from '../core/pipeline.ts'
import type { ChatRequest } from '../core/request.ts'
import { withCleanSchemas } from '../core/schema-keywords.ts'
import { withSoundSchemas } from '../core/sound-schema.ts'
import type { Spending } from '../core/spending.ts'
import { streamNormaliser } from '../core/stream-normaliser.ts'
import { rejectUnknownChoice } from '../core/tool-choice.ts'
import { clientToolNames } from '../core/tool-names.ts'
import { chain, type Transform } from '../core/transform.ts'
import type { ListedModel, Model, Upstream } from '../core/upstream.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { reachable } from './allowed-upstreams.ts'
import { attempt } from './attempt.ts'
import { type EmbeddingListing, embeddingListings, routeEmbedding } from './embedding-routing.ts'
import { type EmbedOptions, embed } from './embeddings.ts'
import { type Candidate, candidatesOf, tryInOrder, useNext } from './failover.ts'
import { learnUsage } from './learn-usage.ts'
import {
  findModel,
  listModels,
  type ModelListing,
  type ModelRoute,
  type ModelRouteOptions,
  routeModel,
  unknownModel,
  withAllowed,
} from './model-routing.ts'
import { placeReasoning, type ReasoningMode } from './reasoning-placement.ts'
import { rejectLongStop } from './stop-sequences.ts'
import { jsonReply } from './structured/index.ts'
import type { Validate } from './structured/validation.ts'
import { createTokenMeter, type TokenMeter } from './token-meter.ts'
import { toolArguments } from './tool-arguments.ts'
import type { UpstreamHealth } from './upstream-health.ts'
import { resolveWebSearch, type SearchPolicy, searchFilter } from './web-search.ts'

export interface Gateway {
  models(allowed?: Allowance): Promise<ListedModel[]>
  /** The model that a request with this name would use, with the name as its id. Errors: `not-found`. */
  model(name: string, allowed?: Allowance): Promise<ListedModel>
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

export interface GatewayOptions extends ModelRouteOptions {
  /** Characters of pure repetition that end a reply; 0 for none. */
  loopLimit: number
  webSearch: SearchPolicy
  prepareAttachments: PrepareAttachments
  /** Validates answers and arguments against schemas of clients, outside of the event loop. */
  validate: Validate
}

export interface CountOptions {
  signal: AbortSignal
  /** Id of the client's key. */
  caller: string
  /** Everything where absent. */
  allowed?: Allowance
  annotate: (note: string) => void
}

export interface CallOptions extends CountOptions {
  whole: boolean
  /** Nobody waits for the reply: calls that somebody waits for are served first. */
  isBackground?: boolean | undefined
  reasoningMode: ReasoningMode
  newToolCallId: () => string
  observer?: CallObserver | undefined
  /** Awaited between slow steps, so that other requests can proceed. */
  yieldIfLong: YieldIfLong
  spending?: Spending | undefined
  /** Receives each call of an upstream that may cost something, before it is made. */
  onCall: (call: MeteredCall) => void
  /** What the request lacks until the reply is begun, such as tools that have to be listed. Errors end the request. */
  complete?: (request: ChatRequest) => Promise<ChatRequest>
}

export interface GatewayCall {
  /** The upstream in use, if one is asked. This, `model` and `ignored` change if another candidate is tried. */
  readonly upstream: string | undefined
  readonly model: string
  /** The client named it, and no list has it. */
  readonly isUnlisted?: boolean
  /** The default temperature of the model, if known. */
  readonly defaultTemperature: number | undefined
  /** The names of request fields that have no effect. */
  readonly ignored: string[]
  /** No other candidate will be tried. */
  readonly isFinal: boolean
  reasoningByName: boolean
  /** Resolves when the reply has begun. Rejects with a GatewayError before that, so that the response status can show it. */
  reply: Promise<ReplyStream>
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
      const embedders = (await embeddingListings(reachable(upstreams, allowed), allowed.models)).flatMap(
        ({ models }) => models,
      )
      const listed = listModels(await currentListings(allowed), settings)
      const known = new Set(listed.map(({ id }) => id.toLowerCase()))
      const others = embedders.filter(({ id }) => !known.has(id.toLowerCase()) && known.add(id.toLowerCase()))
      return [...listed, ...others.map((model) => ({ ...model, displayName: model.id }))]
    },
    async model(name, allowed = {}) {
      try {
        return findModel(name, await currentListings(allowed), settings)
      } catch (thrown) {
        const listings = await embeddingListings(reachable(upstreams, allowed), allowed.models)
        const names = new Set(listings.flatMap(({ models }) => models.map(({ id }) => id)))
        const found = listings.length > 0 ? embedderNamed(name, listings, allowed) : undefined
        if (found === undefined || !names.has(found.id)) throw thrown
        return { ...found, id: name, displayName: found.id }
      }
    },

    async start(wanted, options) {
      rejectUnknownChoice(wanted)
      rejectLongStop(wanted)
      const { loopLimit, validate } = settings
      const prepare = preparerFor(settings, { signal: options.signal, annotate: options.annotate, counting: false })
      const listings = await currentListings(options.allowed)
      const candidates = candidatesOf(cleaned(wanted), listings, settings)
      await options.yieldIfLong()
      const first = useNext(candidates, health) ?? { candidate: candidates[0], release() {} }
      if (options.observer) reportRoute(options.observer, wanted, candidates, first.candidate)
      if (first.candidate.upstream !== candidates[0].upstream)
        options.annotate(`${candidates[0].upstream.id}: resting; asking ${first.candidate.upstream.id}`)
      let found = await prepare(first.candidate).catch((thrown) => {
        first.release()
        throw thrown
      })
      let isFinal = candidates.length === 1
      const attempt = async (candidate: Candidate) => {
        if (candidate !== first.candidate) found = await prepare(candidate)
        const { ignored } = found
        const onIgnored = (name: string) => {
          if (!ignored.includes(name)) ignored.push(name)
        }
        const request = options.complete ? await options.complete(found.request) : found.request
        const reply = await open(
          { ...found, request },
          {
            ...options,
            tokenMeter,
            health,
            loopLimit,
            validate,
            searchFilter: searchFilter(wanted),
            onIgnored,
          },
        )
        isFinal = true
        return reply
      }
      const onFallback = ({ code }: GatewayError, next: Candidate) => {
        const [from, to] = next.isAlternative ? [found.model.id, next.model.id] : [found.upstream.id, next.upstream.id]
        options.annotate(`${found.upstream.id}: ${code}; going on with ${to}`)
        options.observer?.routed(from, to, code)
      }
      const clientNames = clientToolNames(wanted.tools)
      return {
        get upstream() {
          return found.upstream.id
        },
        get model() {
          return found.model.id
        },
        get isUnlisted() {
          return found.isUnlisted === true
        },
        get defaultTemperature() {
          return found.model.defaultTemperature
        },
        get ignored() {
          return found.ignored
        },
        get isFinal() {
          return isFinal
        },
        reasoningByName: found.reasoningByName,
        reply: tryInOrder(candidates, first, { attempt, onFallback, health }).catch((thrown) => {
          // The upstream's error says only that the model is unknown. This one lists the available models.
          if (isUnknownModel(thrown)) throw unknownModel(wanted.model, listings, candidates[0].mappedTo, thrown)
          throw clientNames ? clientNames.inError(asGatewayError(thrown)) : thrown
        }),
      }
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

  function embedderNamed(name: string, listings: EmbeddingListing[], allowed: Allowance): Model | undefined {
    try {
      return routeEmbedding(name, listings, { modelMap: settings.modelMap, allowed })[0].model
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

  async function currentListings(allowed: Allowance = {}): Promise<ModelListing[]> {
    return Promise.all(
      reachable(upstreams, allowed).map(async (upstream) =>
        withAllowed({ upstream, models: await upstream.models() }, allowed.models),
      ),
    )
  }
}

/** Why this model, and why this upstream. */
function reportRoute(
  observer: CallObserver,
  { model: asked }: ChatRequest,
  candidates: readonly [Candidate, ...Candidate[]],
  chosen: Candidate,
): void {
  const [{ model, upstream, by }] = candidates
  observer.routed(asked, model.id, by)
  const others = candidates.filter((other) => other.upstream !== upstream)
  observer.routed(model.id, upstream.id, others.length === 0 ? 'the only upstream with it' : 'UPSTREAMS order')
  if (chosen.upstream !== upstream) observer.routed(upstream.id, chosen.upstream.id, 'resting')
}

interface PreparedRoute extends ModelRoute {
  ignored: string[]
}

/**
 * The request in a form that every upstream accepts: calls have ids and names, and schemas have no keywords with value null
 * or of a wrong type. Errors: `invalid-request` for a schema that cannot be mended.
 */
function cleaned(wanted: ChatRequest): ChatRequest {
  const request = withSoundSchemas(withCleanSchemas(wanted))
  return { ...request, messages: withCallIds(request.messages) }
}

/** Returns a function that prepares a request for one upstream: decides on web search and converts attachments. */
function preparerFor({ webSearch, prepareAttachments }: GatewayOptions, options: PrepareOptions) {
  return async (found: ModelRoute): Promise<PreparedRoute> => {
    const settled = resolveWebSearch(found, webSearch)
    const { upstream, model } = settled
    const request = await prepareAttachments(settled.request, settled, options)
    return { ...settled, request, ignored: [...request.ignored, ...upstream.ignored(request, model)] }
  }
}

interface OpenOptions extends CallOptions {
  tokenMeter: TokenMeter
  health: UpstreamHealth
  loopLimit: number
  validate: Validate
  searchFilter: Transform<Delta, Delta>
  onIgnored: (name: string) => void
}

/** Opens a reply and attaches the transforms for it. Errors: those of `attempt`. */
async function open(found: ModelRoute, options: OpenOptions): Promise<ReplyStream> {
  const { request } = found
  const { output, tools } = request
  const {
    tokenMeter,
    health,
    loopLimit,
    validate,
    signal,
    caller,
    isBackground,
    annotate,
    onIgnored,
    observer,
    spending,
    onCall,
    yieldIfLong,
  } = options
  // JSON is held back until it is complete, so a whole reply is requested from the upstream.
  const call = {
    tokenMeter,
    health,
    loopLimit,
    signal,
    caller,
    isBackground,
    annotate,
    onIgnored,
    observer,
    yieldIfLong,
    spending,
    onCall,
    whole: options.whole || output.type === 'json',
  }
  const firstAttempt = await attempt(found, call)
  // Reasoning in tags would make the text invalid JSON.
  const reasoningMode = output.type === 'json' && options.reasoningMode !== 'strip' ? 'think' : options.reasoningMode
  const { measurement } = firstAttempt
  const normaliser = streamNormaliser({
    newToolCallId: options.newToolCallId,
    inputTokens: measurement.inputTokens,
    countTokens: measurement.countText,
  })
  const placed = reasoningMode === 'think' ? normaliser : chain(placeReasoning(reasoningMode), normaliser)
  const reply = chain(options.searchFilter, placed)
  const checked = toolArguments({ tools, validate, signal, annotate })
  const clientNames = clientToolNames(tools)
  const withChecks = (events: Transform<Delta, StreamEvent>) => {
    const named = clientNames ? chain(events, clientNames.inEvents) : events
    return checked ? chain(named, checked) : named
  }
  if (output.type === 'text') {
    const { first, rules } = firstAttempt
    const transform = withChecks(chain(rules, learnUsage(reply, measurement.learn)))
    return { first, rest: firstAttempt.rest, transform }
  }
  const askAgain = async (repaired: ChatRequest) => {
    await firstAttempt.settle()
    return await attempt({ ...found, request: repaired }, call)
  }
  // `learnUsage` is left out: the usage may be the sum of two prompts, which says nothing about one of them.
  const kept = jsonReply(firstAttempt, { request, output, attempt: askAgain, validate, signal, annotate })
  return { first: [], rest: kept, transform: withChecks(reply) }
}

function isUnknownModel(thrown: unknown): thrown is GatewayError {
  return thrown instanceof GatewayError && thrown.kind === 'not-found'
}
