import type { MeteredCall } from '../core/call-meter.ts'
import type { CallObserver } from '../core/call-observer.ts'
import type { CallerPermissions } from '../core/caller.ts'
import { asGatewayError, GatewayError } from '../core/errors.ts'
import type { ReplyStream } from '../core/pipeline.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Spending } from '../core/spending.ts'
import { clientToolNames } from '../core/tool-names.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { type Candidate, candidatesOf, tryInOrder, type Use, useNext } from './failover.ts'
import { type ModelListing, type ModelRouteOptions, unknownModel } from './model-routing.ts'
import { openReply } from './open-reply.ts'
import { cleaned, type PreparedRoute, type PrepareSettings, preparerFor } from './prepared-route.ts'
import type { ReasoningMode } from './reasoning-placement.ts'
import type { Validate } from './structured/validation.ts'
import type { TokenMeter } from './token-meter.ts'
import type { UpstreamHealth } from './upstream-health.ts'
import { searchFilter } from './web-search.ts'

export interface CountOptions {
  signal: AbortSignal
  /** Id of the client's key. */
  caller: string
  /** If absent, everything is allowed. */
  allowed?: CallerPermissions
  annotate: (note: string) => void
}

export interface CallOptions extends CountOptions {
  whole: boolean
  /** Whether nobody waits for the reply. Other calls are then served first. */
  isBackground?: boolean | undefined
  reasoningMode: ReasoningMode
  newToolCallId: () => string
  observer?: CallObserver | undefined
  /** Awaited between slow steps, so that other requests can proceed. */
  yieldIfLong: YieldIfLong
  spending?: Spending | undefined
  /** Receives each call of an upstream that may cost something, before it is made. */
  onCall: (call: MeteredCall) => void
  /**
   * Adds parts to the request that are not known before, such as tools that have to be listed. Errors end the request.
   */
  complete?: (request: ChatRequest) => Promise<ChatRequest>
}

export interface GatewayCall {
  /** The upstream in use, if there is one. This, `model` and `ignored` change if another candidate is tried. */
  readonly upstream: string | undefined
  readonly model: string
  /** Whether the client named the model, and no list has it. */
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

export interface GatewayOptions extends ModelRouteOptions, PrepareSettings {
  /** Characters of pure repetition that end a reply; 0 for none. */
  loopLimit: number
  /** Validates answers and arguments against schemas of clients, outside of the event loop. */
  validate: Validate
}

export interface CallContext {
  settings: GatewayOptions
  /** The models of each upstream that the caller may use. */
  listings: readonly ModelListing[]
  health: UpstreamHealth
  tokenMeter: TokenMeter
}

/** The state of a call. It changes with each candidate that is tried. */
interface CallProgress {
  /** The candidate in use, with its request. */
  route: PreparedRoute
  /** No other candidate will be tried. */
  isFinal: boolean
}

/** Begins a call, with other candidates where one fails. See `Gateway.start`. */
export async function startCall(wanted: ChatRequest, options: CallOptions, context: CallContext): Promise<GatewayCall> {
  const { settings, listings, health } = context
  const candidates = candidatesOf(cleaned(wanted), listings, settings)
  const pause = options.yieldIfLong()
  if (pause) await pause
  const first = firstOf(candidates, wanted, options, health)
  const { signal, annotate } = options
  const prepare = preparerFor(settings, { signal, annotate, counting: false })
  const route = await prepare(first.candidate).catch((thrown) => {
    first.release()
    throw thrown
  })
  const progress: CallProgress = { route, isFinal: candidates.length === 1 }
  const attempt = async (candidate: Candidate) => {
    if (candidate !== first.candidate) progress.route = await prepare(candidate)
    const reply = await openRoute(progress.route, wanted, options, context)
    progress.isFinal = true
    return reply
  }
  const onFallback = (error: GatewayError, next: Candidate) => reportFallback(progress.route, error, next, options)
  const reply = tryInOrder(candidates, first, { attempt, onFallback, health }).catch((thrown) => {
    // The upstream's error says only that the model is unknown. This one lists the available models.
    if (isUnknownModel(thrown)) throw unknownModel(wanted.model, listings, candidates[0].mappedTo, thrown)
    const clientNames = clientToolNames(wanted.tools)
    throw clientNames ? clientNames.inError(asGatewayError(thrown)) : thrown
  })
  return callOf(progress, reply)
}

/** The candidate to begin with, which is in use from now on. */
function firstOf(
  candidates: readonly [Candidate, ...Candidate[]],
  wanted: ChatRequest,
  { observer, annotate }: CallOptions,
  health: UpstreamHealth,
): Use<Candidate> {
  const [preferred] = candidates
  const first = useNext(candidates, health) ?? { candidate: preferred, release() {} }
  const { upstream } = first.candidate
  if (observer) reportRoute(observer, wanted, candidates, first.candidate)
  if (upstream !== preferred.upstream) annotate(`${preferred.upstream.id}: resting; asking ${upstream.id}`)
  return first
}

async function openRoute(
  route: PreparedRoute,
  wanted: ChatRequest,
  options: CallOptions,
  { settings, health, tokenMeter }: CallContext,
): Promise<ReplyStream> {
  const { ignored } = route
  const { loopLimit, validate } = settings
  const completed = options.complete ? { ...route, request: await options.complete(route.request) } : route
  return await openReply(completed, {
    ...options,
    observer: options.observer,
    ...{ tokenMeter, health, loopLimit, validate, searchFilter: searchFilter(wanted) },
    onIgnored: (name) => {
      if (!ignored.includes(name)) ignored.push(name)
    },
  })
}

function callOf(progress: CallProgress, reply: Promise<ReplyStream>): GatewayCall {
  return {
    get upstream() {
      return progress.route.upstream.id
    },
    get model() {
      return progress.route.model.id
    },
    get isUnlisted() {
      return progress.route.isUnlisted === true
    },
    get defaultTemperature() {
      return progress.route.model.defaultTemperature
    },
    get ignored() {
      return progress.route.ignored
    },
    get isFinal() {
      return progress.isFinal
    },
    reasoningByName: progress.route.reasoningByName,
    reply,
  }
}

/** The reasons for this model and this upstream. */
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

function reportFallback(
  { upstream, model }: PreparedRoute,
  { code }: GatewayError,
  next: Candidate,
  { observer, annotate }: CallOptions,
): void {
  const [from, to] = next.isAlternative ? [model.id, next.model.id] : [upstream.id, next.upstream.id]
  annotate(`${upstream.id}: ${code}; going on with ${to}`)
  observer?.routed(from, to, code)
}

function isUnknownModel(thrown: unknown): thrown is GatewayError {
  return thrown instanceof GatewayError && thrown.kind === 'not-found'
}
