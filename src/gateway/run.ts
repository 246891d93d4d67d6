import type { PrepareAttachments, PrepareOptions } from '../attachments/index.ts'
import { withCallIds } from '../core/call-ids.ts'
import { asGatewayError, GatewayError } from '../core/errors.ts'
import type { Delta, StreamEvent } from '../core/events.ts'
import { streamNormaliser } from '../core/grammar.ts'
import { chain, type Transform } from '../core/machine.ts'
import type { ReplyStream } from '../core/pipeline.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Rest } from '../core/rest.ts'
import { withCleanSchemas } from '../core/schema-keywords.ts'
import { rejectUnknownChoice } from '../core/tool-choice.ts'
import type { Upstream } from '../core/upstream.ts'
import { ask } from './ask.ts'
import { climb, enterNext, ladder, type Rung } from './ladder.ts'
import { learnUsage } from './learn-usage.ts'
import { createMeter, type Measured, type Meter } from './meter.ts'
import {
  findModel,
  type ListedModel,
  listModels,
  type Offer,
  type Route,
  type RouteOptions,
  route,
  unknownModel,
} from './route.ts'
import { type SearchPolicy, settleSearch, shownSearches } from './search.ts'
import { refuseVastStop } from './stop.ts'
import { jsonReply } from './structured/index.ts'
import type { Validate } from './structured/validate.ts'
import { type ThinkingMode, thinking } from './thinking.ts'
import { toolArguments } from './tool-arguments.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface Gateway {
  models(): Promise<ListedModel[]>
  /** The model that a request for the name would go to, under that name. Errors: `not-found`. */
  model(name: string): Promise<ListedModel>
  /** Errors: `not-found` for a model nobody has; what `createAttachments` says of the files in the request. */
  start(request: ChatRequest, options: CallOptions): Promise<Call>
  /** Tokens the prompt would cost, without asking anybody anything. Errors: as `start`. */
  count(request: ChatRequest, options: CountOptions): Promise<number>
  /** Resolves when at least one upstream could take a request now; rejects with the first one's reason. */
  check(signal: AbortSignal): Promise<void>
  /** Ids of upstreams that do not answer: requests ask the others first. */
  resting(): string[]
  /** What the upstreams say of themselves, and whether each is resting, by id and measure. */
  gauges(): Record<string, Record<string, number>>
  /** From the next request on; those under way keep what they began with. */
  replace(upstreams: readonly Upstream[], settings: GatewayOptions): void
}

export interface GatewayOptions extends RouteOptions {
  /** Characters of pure repetition that end a reply; 0 for none. */
  loopLimit: number
  webSearch: SearchPolicy
  prepareAttachments: PrepareAttachments
  /** Judges answers and arguments by schemas of clients, off the event loop. */
  validate: Validate
}

export interface CountOptions {
  signal: AbortSignal
  annotate: (note: string) => void
}

export interface CallOptions extends CountOptions {
  /** Id of the client's key. */
  caller: string
  whole: boolean
  thinking: ThinkingMode
  newToolCallId: () => string
  /** Between the steps that take their time. */
  rest: Rest
}

export interface Call {
  /** Who answers, as far as it is known: this and all that follows from it change where another upstream steps in. */
  readonly upstream: string
  readonly model: string
  /** Names of what was asked and is not honoured. */
  readonly unsupported: string[]
  /** Nobody else steps in any more. */
  readonly certain: boolean
  reasoningByName: boolean
  /** Settles when the reply has begun, or rejects with GatewayError while a status can still tell. */
  reply: Promise<ReplyStream>
}

/** The policy between the two sides: who answers, and what happens to the deltas on their way. */
export function createGateway(
  upstreams: readonly Upstream[],
  settings: GatewayOptions,
  health: UpstreamHealth,
): Gateway {
  const meter = createMeter()
  return {
    models: async () => listModels(await offers(), settings),
    model: async (name) => findModel(name, await offers(), settings),

    async start(asked, options) {
      rejectUnknownChoice(asked)
      refuseVastStop(asked)
      const { loopLimit, validate } = settings
      const prepare = preparing(settings, { signal: options.signal, note: options.annotate, counting: false })
      const offered = await offers()
      const rungs = ladder(cleaned(asked), offered, settings)
      await options.rest()
      const first = enterNext(rungs, health) ?? { candidate: rungs[0], leave() {} }
      if (first.candidate.upstream !== rungs[0].upstream)
        options.annotate(`${rungs[0].upstream.id}: resting; asking ${first.candidate.upstream.id}`)
      let found = await prepare(first.candidate).catch((thrown) => {
        first.leave()
        throw thrown
      })
      let certain = rungs.length === 1
      const attempt = async (rung: Rung) => {
        if (rung !== first.candidate) found = await prepare(rung)
        const reply = await open(found, {
          ...options,
          meter,
          health,
          loopLimit,
          validate,
          shown: shownSearches(asked),
        })
        certain = true
        return reply
      }
      const fell = ({ code }: GatewayError, next: Rung) =>
        options.annotate(
          `${found.upstream.id}: ${code}; going on with ${next.isAlternative ? next.model.id : next.upstream.id}`,
        )
      return {
        get upstream() {
          return found.upstream.id
        },
        get model() {
          return found.model.id
        },
        get unsupported() {
          return found.unsupported
        },
        get certain() {
          return certain
        },
        reasoningByName: found.reasoningByName,
        reply: climb(rungs, first, { attempt, fell, health }).catch((thrown) => {
          // The upstream says only that it does not know the name.
          throw isUnknownModel(thrown) ? unknownModel(asked.model, offered, rungs[0].mappedTo, thrown) : thrown
        }),
      }
    },

    async count(asked, options) {
      const prepare = preparing(settings, { ...options, counting: true })
      const { inputTokens } = await meter.measure(await prepare(route(cleaned(asked), await offers(), settings)))
      return inputTokens
    },

    async check(signal) {
      // One that does not answer holds up nobody who can.
      await Promise.any(upstreams.map((upstream) => upstream.check(signal))).catch((thrown) => {
        const [first = new Error('no upstream is configured')] = thrown instanceof AggregateError ? thrown.errors : []
        throw asGatewayError(first)
      })
    },

    resting: () => [...health.outages().keys()].filter(isBehind),
    gauges: () => Object.fromEntries(upstreams.map((upstream) => [upstream.id, gaugesOf(upstream)])),

    replace(others, changed) {
      upstreams = others
      settings = changed
      health.endRests()
    },
  }

  function isBehind(id: string): boolean {
    return upstreams.some((upstream) => upstream.id === id)
  }

  function gaugesOf({ id, gauges }: Upstream): Record<string, number> {
    return { ...gauges?.(), resting: health.outages().has(id) ? 1 : 0 }
  }

  async function offers(): Promise<Offer[]> {
    return Promise.all(upstreams.map(async (upstream) => ({ upstream, models: await upstream.models() })))
  }
}

interface Prepared extends Route {
  unsupported: string[]
}

/** The request as any upstream can take it: calls have ids and names, schemas no keywords that say null. */
function cleaned(asked: ChatRequest): ChatRequest {
  const request = withCleanSchemas(asked)
  return { ...request, messages: withCallIds(request.messages) }
}

/** What a request becomes before one upstream counts or answers it. */
function preparing({ webSearch, prepareAttachments }: GatewayOptions, options: PrepareOptions) {
  return async (found: Route): Promise<Prepared> => {
    const settled = settleSearch(found, webSearch)
    const { upstream, model } = settled
    const request = await prepareAttachments(settled.request, settled, options)
    return { ...settled, request, unsupported: [...request.ignored, ...upstream.ignored(request, model)] }
  }
}

interface OpenOptions extends CallOptions {
  meter: Meter
  health: UpstreamHealth
  loopLimit: number
  validate: Validate
  shown: Transform<Delta, Delta>
}

/** Errors: as `ask`. */
async function open(found: Route, options: OpenOptions): Promise<ReplyStream> {
  const { request } = found
  const { output, tools } = request
  const { meter, health, loopLimit, validate, signal, caller, annotate: note, rest } = options
  // Text that has to be JSON is held until its end anyway.
  const call = { meter, health, loopLimit, signal, caller, note, rest, whole: options.whole || output.type === 'json' }
  const asked = await ask(found, call)
  // Tags around the thinking would spoil the JSON.
  const placed = output.type === 'json' && options.thinking !== 'strip' ? 'think' : options.thinking
  const told = chain(options.shown, teller(asked.measured, placed, options.newToolCallId))
  const checked = toolArguments({ tools, validate, signal, annotate: note })
  const withChecks = (events: Transform<Delta, StreamEvent>) => (checked ? chain(events, checked) : events)
  if (output.type === 'text') {
    const { first, rules, measured } = asked
    return { first, rest: asked.rest, transform: withChecks(chain(rules, learnUsage(told, measured.learn))) }
  }
  const again = (repaired: ChatRequest) => ask({ ...found, request: repaired }, call)
  // The usage may be that of two prompts, from which nothing can be learned about either.
  const kept = jsonReply(asked, { request, output, ask: again, validate, signal, note })
  return { first: [], rest: kept, transform: withChecks(told) }
}

function teller(measured: Measured, placed: ThinkingMode, newToolCallId: () => string): Transform<Delta, StreamEvent> {
  const rules = streamNormaliser({ newToolCallId, inputTokens: measured.inputTokens, countTokens: measured.countText })
  return placed === 'think' ? rules : chain(thinking(placed), rules)
}

function isUnknownModel(thrown: unknown): thrown is GatewayError {
  return thrown instanceof GatewayError && thrown.kind === 'not-found'
}
