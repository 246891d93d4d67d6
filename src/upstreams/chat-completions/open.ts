import { holdsLongText, jsonBytesInPortions } from '../../async/json-in-portions.ts'
import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import type { CredentialRefusal, Pool } from '../../core/credential-pool.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import type { Message } from '../../core/request.ts'
import type { Bill, OpenedReply, UpstreamCall } from '../../core/upstream.ts'
import { isEventStream } from '../../wire/event-stream.ts'
import { backoff, createRetries, retryNote } from '../../wire/retry.ts'
import { awaitOpening, deltaStream, type Opening, recoveryAfter } from '../opening/opening.ts'
import { type PreparedCall, prepareCall } from '../opening/prepare-call.ts'
import type { ApiClient } from './client.ts'
import { countUnseenImages, normaliseConversation } from './conversation.ts'
import { decoder } from './decode.ts'
import { encode } from './encode.ts'
import { type Recovery as ErrorRecovery, goodAgainAfterMs, type VendorErrors } from './errors.ts'
import { alwaysReasons, type Catalogue, type ChatModel } from './models.ts'
import { paths } from './paths.ts'
import type { RequestRules } from './profile.ts'
import { createRequestBodyWriter } from './request-body.ts'

export interface OpenerOptions {
  client: ApiClient
  errors: VendorErrors
  rules: RequestRules
  catalogue: Catalogue
  takesAnyToolName?: boolean
  pool: Pool<string>
  clock: Clock
  random: () => number
  newUuid: () => string
  tools: boolean
  scanLimit: number
  idleMs: number
}

interface ChatJob extends PreparedCall {
  model: ChatModel
  /** The conversation in the form that the API accepts. */
  messages: Message[]
}

interface AttemptOptions {
  key: string
  bill: Bill
  forceToolCall: boolean
  observed: AttemptObserver | undefined
}

type ChatRecovery = ErrorRecovery | 'force-tool-call'

/**
 * Opens calls: it takes a key, sends the request, and waits for the first delta. A refused key is replaced by another
 * one, or waited for. Other failures before the first delta are retried, each kind of recovery once. A failure after it
 * is the last delta of the reply.
 */
export function opener(options: OpenerOptions): (call: UpstreamCall) => Promise<OpenedReply> {
  const { client, errors, rules, catalogue, pool, clock, newUuid } = options
  const bodies = createRequestBodyWriter(clock)

  return async (call) => {
    const prepared = prepareCall(call, options)
    const model = catalogue.traitsOf(call.model)
    const pause = call.yieldIfLong?.()
    if (pause) await pause
    const job = { ...prepared, model, messages: normaliseConversation(prepared.call.request.messages, model) }
    const secondPause = call.yieldIfLong?.()
    if (secondPause) await secondPause
    try {
      const reply = await openWithRetries(job)
      catalogue.learn(job.model, undefined)
      return reply
    } catch (thrown) {
      catalogue.learn(job.model, asGatewayError(thrown))
      throw job.restoreErrorNames(thrown)
    }
  }

  async function openWithRetries(job: ChatJob): Promise<OpenedReply> {
    const { signal, annotate, caller, isBackground, observer } = job.call
    noteLimits(job)
    const model = job.model.upstreamId
    const ticket = pool.ticket({
      model,
      caller,
      isBackground,
      accepts: () => true,
      signal,
      noneAccepts: errors.noKey,
      annotate,
      onWait: observer?.waits,
    })
    const retries = createRetries<ChatRecovery>()

    for (;;) {
      const bill = await job.call.bill()
      const lease = await ticket.lease()
      const observed = observer?.attempts(lease.fingerprint ?? lease.id)
      bill.meter.leased(lease.fingerprint ?? lease.id)
      const forceToolCall = retries.has('force-tool-call')
      const outcome = await attempt(job, { key: lease.credential, bill, forceToolCall, observed }).catch(asGatewayError)
      if (outcome instanceof GatewayError) observed?.failed(outcome)
      if (signal.aborted) {
        if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
        lease.release()
        throw cancelled()
      }
      const recovery = recoveryAfter(outcome, errors.recoveryOf)
      if (outcome instanceof GatewayError && isRefusal(recovery)) {
        bill.meter.refused()
        lease.reportFailure(recovery, outcome, goodAgainAfterMs(outcome))
        annotate(`${lease.id}: ${outcome.code}`)
        continue
      }
      const isLast = recovery === 'none' || retries.isSpent(recovery)
      if (!(outcome instanceof GatewayError) && isLast) {
        lease.reportSuccess()
        void outcome.closed.then(lease.release)
        return outcome
      }
      if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
      lease.release()
      if (outcome instanceof GatewayError && isLast) throw outcome
      annotate(retryNote(recovery, outcome instanceof GatewayError ? outcome : undefined))
      retries.add(recovery)
      observer?.backsOff()
      await backoff({ ...options, signal })
    }
  }

  async function attempt(job: ChatJob, { key, bill, forceToolCall, observed }: AttemptOptions): Promise<Opening> {
    const { call, model, messages, tools, mustCallTool } = job
    const { request, signal, whole, annotate, yieldIfLong } = call
    const requestId = newUuid()
    const { maxTokens, meter } = bill
    const encoded = encode(
      { ...request, messages, sampling: { ...request.sampling, maxTokens } },
      { model, requestId, rules, label: errors.label, tools, forceToolCall },
    )
    const pause = yieldIfLong?.()
    if (pause) await pause
    const isLong = yieldIfLong !== undefined && holdsLongText(messages)
    const writing = isLong ? jsonBytesInPortions(encoded, yieldIfLong) : bodies.write(encoded, call.caller, yieldIfLong)
    const body = typeof writing === 'string' ? writing : await writing
    const secondPause = yieldIfLong?.()
    if (secondPause) await secondPause
    const response = await client.open(paths.chat, {
      key,
      body,
      signal,
      observer: observed,
      onSent: meter.sent,
    })
    if (!response.ok || response.body === null || !isEventStream(response)) {
      meter.refused()
      throw errors.ofResponse(await client.read(response, signal), clock.now())
    }
    const { label, empty } = errors
    const { idleMs, scanLimit } = options
    const reader = decoder({ tools, errors, now: clock.now, annotate, meter })
    const stream = deltaStream(response.body, job, {
      ...{ label, decoder: reader, clock, idleMs, scanLimit, empty },
      joinsTexts: whole,
    })
    // Any call is enough here: the request itself names the tool, for a server that honours it.
    const requiredCall = whole && mustCallTool ? 'required' : undefined
    return awaitOpening(stream, { label, requiredCall, whole, observed })
  }
}

/** Notes for the log what the client will not get. */
function noteLimits({ call, model }: ChatJob): void {
  const unseen = countUnseenImages(call.request.messages, model)
  if (unseen > 0) call.annotate(`${unseen} image(s) omitted: ${model.id} cannot see them`)
  if (call.request.reasoning.mode === 'off' && alwaysReasons(model)) call.annotate(`${model.id} always thinks`)
}

/** Refusals that the pool handles. They do not count as retries, because the upstream has not run the call. */
export function isRefusal(recovery: ChatRecovery): recovery is CredentialRefusal {
  return (
    recovery === 'concurrency-limited' ||
    recovery === 'account-concurrency-limited' ||
    recovery === 'model-overloaded' ||
    recovery === 'invalid-credential' ||
    recovery === 'model-unavailable'
  )
}
