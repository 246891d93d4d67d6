import type { BatchStream } from '../../core/batch-stream.ts'
import type { CallMeter } from '../../core/call-meter.ts'
import type { AttemptObserver } from '../../core/call-observer.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import type { ChatRequest, ImagePart } from '../../core/request.ts'
import type { Transform } from '../../core/transform.ts'
import type { Bill, OpenedReply, UpstreamCall } from '../../core/upstream.ts'
import { repairedText } from '../../json/repair.ts'
import { promptTools } from '../../prompted-tools/prompt.ts'
import { isEventStream } from '../../wire/event-stream.ts'
import { backoff, createRetries, retryNote } from '../../wire/retry.ts'
import { awaitOpening, deltaStream, type Opening, recoveryAfter } from '../opening/opening.ts'
import { type PreparedCall, prepareCall } from '../opening/prepare-call.ts'
import type { WebAccount } from './accounts/account-api.ts'
import type { WebAccounts } from './accounts/index.ts'
import { redactUrls } from './client.ts'
import { answerError, type CompleteOptions, complete } from './complete.ts'
import { decoder } from './decode.ts'
import { encode, imagesOf, type MessagesMode } from './encode.ts'
import { type Recovery as ErrorRecovery, emptyResponse, recoveryOf } from './errors.ts'
import type { FrontEndVersion } from './front-end-version.ts'
import { createUploads, type FetchImage, imageRefusal, uploadImages } from './image-upload.ts'
import type { Catalogue } from './models.ts'
import { withoutUnsendable } from './old-images.ts'

/** Name of the upstream, for errors. */
const label = 'Z.AI'

export interface OpenerOptions extends CompleteOptions {
  /** From 0 to 1. */
  random: () => number
  version: FrontEndVersion
  accounts: WebAccounts
  catalogue: Catalogue
  fetchImage: FetchImage
  messagesMode: MessagesMode
  tools: boolean
  scanLimit: number
  idleMs: number
  maxImageBytes: number
}

interface WebRequestJob extends PreparedCall {
  /** The request with its tools described in the prompt. */
  request: ChatRequest
  images: ImagePart[]
}

type WebRecovery = ErrorRecovery | 'force-tool-call'

/**
 * Opens calls: account, version, images, chat, signature, completion, first delta. Failures before that delta are
 * retried, each kind of recovery once and two in all. A refused account is replaced by another one, or waited for. A
 * failure after the first delta is the last delta of the reply.
 */
export function opener(options: OpenerOptions): (call: UpstreamCall) => Promise<OpenedReply> {
  const { client, clock, version, accounts, catalogue, newUuid } = options
  const uploads = createUploads(clock)

  return async (asked) => {
    const job = createJob({
      ...asked,
      request: withoutUnsendable(asked.request, imageRefusal(asked.model, accounts.hasTokens)),
    })
    const { call } = job
    const { signal, annotate, observer } = call
    const guests = job.images.length === 0
    const accountQueue = accounts.queueForAccount({
      model: call.model.upstreamId,
      caller: call.caller,
      isBackground: call.isBackground,
      guests,
      signal,
      annotate,
      onWait: observer?.waits,
    })
    const retries = createRetries<WebRecovery>()
    let lease = await accountQueue.acquire()
    try {
      for (;;) {
        const bill = await call.bill()
        const observed = observer?.attempts(lease.fingerprint ?? lease.id)
        bill.meter.leased(lease.fingerprint ?? lease.id)
        const outcome = await attempt(job, lease.account, bill, observed).catch((thrown: unknown) =>
          asGatewayError(redactUrls(thrown)),
        )
        if (outcome instanceof GatewayError) observed?.failed(outcome)
        if (signal.aborted) {
          if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
          throw cancelled()
        }
        const recovery = recoveryAfter(outcome, recoveryOf)
        // The cause may be an image that the site has deleted, whatever the error says.
        if (outcome instanceof GatewayError && !isBusy(recovery)) uploads.forget(lease.account)
        if (outcome instanceof GatewayError && (isBusy(recovery) || recovery === 'invalid-credential')) {
          // Any number of new guests could be created, so only one is tried.
          if (recovery === 'invalid-credential' && lease.account.kind === 'guest') {
            if (retries.isSpent(recovery)) throw outcome
            retries.add(recovery)
          }
          bill.meter.refused()
          annotate(`${lease.id}: ${outcome.code}`)
          lease.reportFailure(recovery, outcome)
          lease = await accountQueue.acquire()
          continue
        }
        if (recovery === 'none' || retries.isSpent(recovery)) {
          if (outcome instanceof GatewayError) throw outcome
          lease.reportSuccess()
          void outcome.closed.then(lease.release)
          return { first: outcome.first.map(withoutUrl), rest: withRedactedUrls(outcome.rest) }
        }
        if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
        retries.add(recovery)
        annotate(retryNote(recovery, outcome instanceof GatewayError ? outcome : undefined))
        observer?.backsOff()
        if (recovery === 'new-version') await version.refresh(signal)
        await backoff({ ...options, signal })
      }
    } catch (thrown) {
      lease.release()
      throw signal.aborted ? cancelled() : job.restoreErrorNames(thrown)
    }
  }

  function createJob(asked: UpstreamCall): WebRequestJob {
    const prepared = prepareCall(asked, options)
    const { request: named } = prepared.call
    const request = promptTools(options.tools ? named : { ...named, tools: [], toolChoice: 'auto' })
    return { ...prepared, request, images: imagesOf(request) }
  }

  async function attempt(
    job: WebRequestJob,
    account: WebAccount,
    { meter }: Bill,
    observed: AttemptObserver | undefined,
  ): Promise<Opening> {
    const { request, call, mustCallTool, toolChoice } = job
    const { signal, whole } = call
    const known = await version.current(signal)
    const files = await uploadImages(job.images, { ...options, uploads, account, version: known, signal })
    const encoded = encode(request, {
      model: catalogue.traitsOf(call.model),
      userName: account.userName,
      now: clock.now(),
      ids: { message: newUuid(), userMessage: newUuid() },
      mode: options.messagesMode,
      callsTools: job.tools.length > 0,
      files,
    })
    const response = await complete(
      encoded,
      { account, version: known, signal, observer: observed, onSent: meter.sent },
      options,
    )
    if (!response.ok || response.body === null || !isEventStream(response)) {
      meter.refused()
      throw answerError(await client.read(response, signal))
    }
    const how = { ...options, label, decoder: reader(job, meter), joinsTexts: false, empty: emptyResponse }
    const requiredCall = mustCallTool ? toolChoice : undefined
    return awaitOpening(deltaStream(response.body, job, how), { label, requiredCall, whole, observed })
  }

  function reader({ call, tools }: WebRequestJob, meter: CallMeter): Transform<string, Delta> {
    const { whole, annotate } = call
    const declaredTools = new Set(tools.map((tool) => tool.name))
    if (tools.length === 0) return decoder({ whole, declaredTools, annotate, meter })
    const mendArguments = (name: string, text: string) =>
      repairedText(text, tools.find((tool) => tool.name === name)?.parameters ?? {})
    return decoder({ whole, declaredTools, mendArguments, annotate, meter, holdFrom: '<tool_call' })
  }
}

function isBusy(recovery: WebRecovery): recovery is 'concurrency-limited' | 'account-concurrency-limited' {
  return recovery === 'concurrency-limited' || recovery === 'account-concurrency-limited'
}

/** Removes URLs from errors in the stream: their query carries the token. */
function withRedactedUrls(stream: BatchStream<Delta[]>): BatchStream<Delta[]> {
  return {
    next: (onBatch) =>
      stream.next((batch) => {
        onBatch(batch?.map(withoutUrl))
      }),
    cancel: stream.cancel,
  }
}

function withoutUrl(delta: Delta): Delta {
  if (delta.type === 'error') redactUrls(delta.error)
  return delta
}
