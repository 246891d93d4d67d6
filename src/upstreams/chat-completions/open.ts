import { pipe } from '../../core/batch-stream.ts'
import type { Clock } from '../../core/clock.ts'
import type { Pool, Refusal } from '../../core/credential-pool.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import { type ChatRequest, demandsCall, type Tool } from '../../core/request.ts'
import { type LegalRequest, withLegalToolNames } from '../../core/tool-names.ts'
import { chain, type Transform } from '../../core/transform.ts'
import type { OpenedReply, UpstreamCall } from '../../core/upstream.ts'
import type { HttpResponse } from '../../http-client/send.ts'
import { channels } from '../../prompted-tools/channels.ts'
import { withoutDoubledCalls } from '../../prompted-tools/doubled-calls.ts'
import { toolCallParser } from '../../prompted-tools/parse.ts'
import { sseDeltas } from '../../wire/event-stream.ts'
import { awaitFirstDelta } from '../../wire/first-delta.ts'
import { backoff, retryNote } from '../../wire/retry.ts'
import type { ApiClient } from './client.ts'
import { countUnseenImages } from './conversation.ts'
import { decoder } from './decode.ts'
import { encode } from './encode.ts'
import { type Recovery as ErrorRecovery, goodAgainAfterMs, type VendorErrors } from './errors.ts'
import { alwaysThinks, type Catalogue, type ChatModel } from './models.ts'
import type { RequestRules } from './profile.ts'

const maxRetries = 2

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

/** What every attempt at one call shares. */
interface ChatJob {
  call: UpstreamCall
  model: ChatModel
  /** What a reply may call; empty when the client forbade calls. */
  tools: Tool[]
  /** A reply without a call is worth another try: none of it has been shown. */
  mustCallTool: boolean
  /** Gives the client its own names of tools back. */
  restoreNames: Transform<Delta, Delta> | undefined
  restoreErrorNames: LegalRequest['restoreError']
}

interface Opening extends OpenedReply {
  /** Settles when its stream has come to an end, or nobody wants more of it. */
  closed: Promise<void>
}

/** `forceToolCall`: ask again for the tool call the client demands. */
type ChatRecovery = ErrorRecovery | 'insist'

/**
 * Opens calls: key, request, first delta. A key that is refused is changed for another, or waited for; what else fails
 * before that delta is tried again, each remedy once; what fails after it is the reply's last delta.
 */
export function opener(options: OpenerOptions): (call: UpstreamCall) => Promise<OpenedReply> {
  const { client, errors, rules, catalogue, pool, clock, newUuid } = options

  return async (call) => {
    const job = jobOf(call)
    try {
      const reply = await opened(job)
      catalogue.learn(job.model, undefined)
      return reply
    } catch (thrown) {
      catalogue.learn(job.model, asGatewayError(thrown))
      throw job.restoreErrorNames(thrown)
    }
  }

  async function opened(job: ChatJob): Promise<OpenedReply> {
    const { signal, annotate, caller } = job.call
    tellLimits(job)
    const model = job.model.upstreamId
    const turn = pool.ticket({ model, caller, accepts: () => true, signal, noneAccepts: errors.noKey, annotate })
    const tried = new Set<ChatRecovery>()

    for (;;) {
      const lease = await turn.lease()
      const outcome = await run(job, lease.credential, tried.has('insist')).catch(asGatewayError)
      if (signal.aborted) {
        if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
        lease.release()
        throw cancelled()
      }
      const recovery = recoveryFor(outcome, job, errors)
      if (outcome instanceof GatewayError && isRefusal(recovery)) {
        lease.reportFailure(recovery, outcome, goodAgainAfterMs(outcome))
        annotate(`${lease.id}: ${outcome.code}`)
        continue
      }
      const isLast = recovery === 'none' || tried.has(recovery) || tried.size === maxRetries
      if (!(outcome instanceof GatewayError) && isLast) {
        lease.reportSuccess()
        void outcome.closed.then(lease.release)
        return outcome
      }
      if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
      lease.release()
      if (outcome instanceof GatewayError && isLast) throw outcome
      annotate(
        outcome instanceof GatewayError
          ? retryNote(recovery, outcome)
          : `retry (${recovery}) after a reply without a call`,
      )
      tried.add(recovery)
      await backoff({ ...options, signal })
    }
  }

  function jobOf(asked: UpstreamCall): ChatJob {
    const { request, restore, restoreError } = legalised(asked.request)
    const call = { ...asked, request }
    const { tools, toolChoice } = call.request
    const callable = options.tools && toolChoice !== 'none' ? tools : []
    const model = catalogue.traitsOf(call.model)
    return {
      call,
      model,
      tools: callable,
      mustCallTool: call.whole && callable.length > 0 && demandsCall(call.request),
      restoreNames: restore,
      restoreErrorNames: restoreError,
    }
  }

  function legalised(request: ChatRequest): LegalRequest {
    return options.takesAnyToolName ? { request, restoreError: asGatewayError } : withLegalToolNames(request)
  }

  async function run(job: ChatJob, key: string, forceToolCall: boolean): Promise<Opening> {
    const { call, model, tools, mustCallTool } = job
    const { request, signal, whole, annotate } = call
    const requestId = newUuid()
    const body = encode(request, { model, requestId, rules, label: errors.label, tools, forceToolCall })
    const response = await client.open('/chat/completions', { key, body, signal })
    if (!response.ok || response.body === null || !isEventStream(response))
      throw errors.ofResponse(await client.read(response, signal), clock.now())
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
    const reader = decoder({ tools, errors, now: clock.now, annotate })
    const { label } = errors
    const { idleMs } = options
    const deltas = sseDeltas(response.body, { label, decoder: reader, clock, signal, idleMs, whole, onClose })
    const opened = await awaitFirstDelta(pipe(deltas, sorting(job)), { label, toTheEnd: mustCallTool })
    return { ...opened, closed }
  }

  function sorting({ call, model, tools, restoreNames }: ChatJob): Transform<Delta, Delta> {
    const { scanLimit } = options
    const { whole, annotate } = call
    const sorted = channels({ tools, scanLimit, frames: model.vision, whole, empty: errors.empty, annotate })
    // Models now and then write a call into the text instead of making it.
    if (tools.length === 0) return restoreNames ? chain(sorted, restoreNames) : sorted
    const parsed = chain(sorted, chain(toolCallParser(tools, { scanLimit }), withoutDoubledCalls()))
    return restoreNames ? chain(parsed, restoreNames) : parsed
  }
}

/** What the client will not get, for the log. */
function tellLimits({ call, model }: ChatJob): void {
  const unseen = countUnseenImages(call.request.messages, model)
  if (unseen > 0) call.annotate(`${unseen} image(s) omitted: ${model.id} cannot see them`)
  if (call.request.reasoning.mode === 'off' && alwaysThinks(model)) call.annotate(`${model.id} always thinks`)
}

/** What the pool deals with; it costs no retry, for nothing has been carried out. */
function isRefusal(recovery: ChatRecovery): recovery is Refusal {
  return (
    recovery === 'concurrency-limited' ||
    recovery === 'account-concurrency-limited' ||
    recovery === 'model-overloaded' ||
    recovery === 'invalid-credential' ||
    recovery === 'model-unavailable'
  )
}

function recoveryFor(outcome: Opening | GatewayError, { mustCallTool }: ChatJob, errors: VendorErrors): ChatRecovery {
  if (outcome instanceof GatewayError) return errors.recoveryOf(outcome)
  const wanting = mustCallTool && !outcome.first.some(({ type }) => type === 'tool-call' || type === 'error')
  return wanting ? 'insist' : 'none'
}

function isEventStream(response: HttpResponse): boolean {
  return (response.headers.get('content-type') ?? '').includes('text/event-stream')
}
