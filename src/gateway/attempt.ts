import type { MeteredCall } from '../core/call-meter.ts'
import type { CallObserver } from '../core/call-observer.ts'
import { asGatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import { meteredReply } from '../core/metered-reply.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Spending } from '../core/spending.ts'
import type { Transform } from '../core/transform.ts'
import type { Bill, Model, OpenedReply } from '../core/upstream.ts'
import { wellFormed, wellFormedRequest } from '../core/well-formed.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import { createBills } from './bills.ts'
import type { ModelRoute } from './model-routing.ts'
import { replyRules } from './reply-rules.ts'
import { retryWithoutReasoning } from './retry-without-reasoning.ts'
import type { Measurement, TokenMeter } from './token-meter.ts'
import type { UpstreamHealth } from './upstream-health.ts'

export interface AttemptOptions {
  tokenMeter: TokenMeter
  health: UpstreamHealth
  signal: AbortSignal
  caller: string
  isBackground?: boolean | undefined
  whole: boolean
  loopLimit: number
  annotate: (note: string) => void
  /** Called with the name of each field that has no effect. */
  onIgnored: (name: string) => void
  observer: CallObserver | undefined
  yieldIfLong: YieldIfLong
  /** The budgets that pay for the calls; absent for a caller without budgets. */
  spending?: Spending | undefined
  /** Receives each call that may cost something. */
  onCall: (call: MeteredCall) => void
}

/** One opened reply of an upstream, and the transform that applies the gateway's rules to it. */
export interface Attempt extends OpenedReply {
  rules: Transform<Delta, Delta>
  measurement: Measurement
  /**
   * Call it when the reply is over, so that its cost is settled before the request ends. Resolves when the cost is
   * stored.
   */
  settle: () => Promise<void>
}

/**
 * Sends a request to its upstream. Errors: those of `Upstream.open` and `Spending.reserve`, and `context-overflow` for a
 * prompt that certainly leaves no room for an answer.
 */
export async function attempt(wanted: ModelRoute, options: AttemptOptions): Promise<Attempt> {
  const { tokenMeter, health, signal, caller, isBackground, whole, loopLimit } = options
  const { annotate, onIgnored, observer, yieldIfLong } = options
  // Upstreams refuse lone surrogates. They may come from clients, files or models, so they are replaced here for all.
  const { upstream } = wanted
  const model = wellFormedModel(wanted.model)
  const route = { upstream, model, request: wellFormedRequest(wanted.request) }
  const pause = yieldIfLong()
  if (pause) await pause
  observer?.counts()
  const measurement = await tokenMeter.measure(route, caller)
  observer?.counted(measurement.inputTokens)
  const clamped = measurement.clamped({ annotate, onIgnored })
  const secondPause = yieldIfLong()
  if (secondPause) await secondPause
  const bills = createBills({
    upstream,
    model,
    measurement,
    maxTokens: clamped.sampling.maxTokens,
    spending: options.spending,
    onCall: options.onCall,
    annotate,
    onIgnored,
  })
  const request = withLimit(clamped, await bills.next())
  const startedAt = health.now()
  observer?.asks(upstream.id)
  const reply = await open(request).catch(async (thrown) => {
    health.failed(upstream.id, asGatewayError(thrown), startedAt)
    await bills.settle()
    throw thrown
  })
  health.answered(upstream.id)
  const callAgain = upstream.answersWithoutReasoning?.(request, model)
    ? async () => open({ ...withLimit(clamped, await bills.next()), reasoning: { mode: 'off' } })
    : undefined
  const rules = replyRules({ upstream, model, request }, { loopLimit, countTokens: measurement.countText, annotate })
  return { ...retryWithoutReasoning(reply, { callAgain, annotate }), rules, measurement, settle: bills.settle }

  async function open(paid: ChatRequest): Promise<OpenedReply> {
    let isBilled = false
    const bill = () => {
      isBilled = true
      return bills.next()
    }
    const opened = await upstream.open({
      request: paid,
      model,
      signal,
      caller,
      isBackground,
      whole,
      bill,
      annotate,
      observer,
      yieldIfLong,
    })
    return isBilled ? opened : meteredReply(opened, (await bills.next()).meter)
  }
}

/** Keyed by the object, because the same objects are used for every request. */
const knownWellFormed = new WeakSet<Model>()

function wellFormedModel(model: Model): Model {
  if (knownWellFormed.has(model)) return model
  const whole = wellFormed(model)
  if (whole === model) knownWellFormed.add(model)
  return whole
}

function withLimit(request: ChatRequest, { maxTokens }: Bill): ChatRequest {
  const { sampling } = request
  return maxTokens === sampling.maxTokens ? request : { ...request, sampling: { ...sampling, maxTokens } }
}
