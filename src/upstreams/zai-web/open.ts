import { type BatchStream, pipe } from '../../core/batch-stream.ts'
import type { AttemptObserver } from '../../core/call-observer.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import { type ChatRequest, demandsCall, type ImagePart, type Tool, type ToolChoice } from '../../core/request.ts'
import { type LegalRequest, withLegalToolNames } from '../../core/tool-names.ts'
import type { Transform } from '../../core/transform.ts'
import type { OpenedReply, UpstreamCall } from '../../core/upstream.ts'
import { repairedText } from '../../json/repair.ts'
import { channelsAndCalls } from '../../prompted-tools/channels-and-calls.ts'
import { promptTools } from '../../prompted-tools/prompt.ts'
import { isEventStream, sseDeltas } from '../../wire/event-stream.ts'
import { awaitFirstDelta } from '../../wire/first-delta.ts'
import { backoff, createRetries, retryNote } from '../../wire/retry.ts'
import { awaitToolCall, type FirstCallSearch } from './await-tool-call.ts'
import { redactUrls } from './client.ts'
import { answerError, type CompleteOptions, complete } from './complete.ts'
import { decoder } from './decode.ts'
import { encode, imagesOf, type MessagesMode } from './encode.ts'
import { type Recovery as ErrorRecovery, emptyResponse, recoveryOf } from './errors.ts'
import type { FrontEndVersion } from './front-end-version.ts'
import { createUploads, type FetchImage, imageRefusal, uploadImages } from './image-upload.ts'
import type { Catalogue } from './models.ts'
import { withoutUnsendable } from './old-images.ts'
import type { Sessions } from './sessions/index.ts'
import type { Session } from './sessions/session-api.ts'

/** Name of the upstream, for errors. */
const label = 'Z.AI'

export interface OpenerOptions extends CompleteOptions {
  /** From 0 to 1. */
  random: () => number
  version: FrontEndVersion
  sessions: Sessions
  catalogue: Catalogue
  fetchImage: FetchImage
  messagesMode: MessagesMode
  tools: boolean
  scanLimit: number
  idleMs: number
  maxImageBytes: number
}

/** What all attempts at one call share. */
interface WebRequestJob {
  call: UpstreamCall
  /** The request with its tools described in the prompt. */
  request: ChatRequest
  images: ImagePart[]
  /** The tools that the reply may call; empty if the client forbade calls. */
  tools: Tool[]
  /** A reply without a call can be retried, as long as nothing of it has been shown. */
  mustCallTool: boolean
  /** As the client wrote it. */
  toolChoice: ToolChoice
  /** Restores the client's own tool names in the reply. */
  restoreNames: Transform<Delta, Delta> | undefined
  restoreErrorNames: LegalRequest['restoreError']
}

interface Opening extends FirstCallSearch {
  /** Settles when the stream has ended or was cancelled. */
  closed: Promise<void>
}

/** `force-tool-call`: ask the model again for the tool call that the client requires. */
type WebRecovery = ErrorRecovery | 'force-tool-call'

/**
 * Opens calls: session, version, images, chat, signature, completion, first delta. Failures before that delta are
 * retried, each kind of recovery once and two in all. A refused session is replaced by another one, or waited for. A
 * failure after the first delta is the last delta of the reply.
 */
export function opener(options: OpenerOptions): (call: UpstreamCall) => Promise<OpenedReply> {
  const { client, clock, version, sessions, catalogue, newUuid } = options
  const uploads = createUploads(clock)

  return async (asked) => {
    const job = createJob({
      ...asked,
      request: withoutUnsendable(asked.request, imageRefusal(asked.model, sessions.hasAccounts)),
    })
    const { call } = job
    const { signal, annotate, observer } = call
    const guests = job.images.length === 0
    const sessionQueue = sessions.queueForSession({
      model: call.model.upstreamId,
      caller: call.caller,
      guests,
      signal,
      annotate,
      onWait: observer?.waits,
    })
    const retries = createRetries<WebRecovery>()
    let lease = await sessionQueue.acquire()
    try {
      for (;;) {
        const observed = observer?.attempts(lease.fingerprint ?? lease.id)
        const outcome = await attempt(job, lease.session, observed).catch((thrown: unknown) =>
          asGatewayError(redactUrls(thrown)),
        )
        if (outcome instanceof GatewayError) observed?.failed(outcome)
        if (signal.aborted) {
          if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
          throw cancelled()
        }
        const recovery = recoveryFor(outcome)
        // The cause may be an image that the site has deleted, whatever the error says.
        if (outcome instanceof GatewayError && !isBusy(recovery)) uploads.forget(lease.session)
        if (outcome instanceof GatewayError && (isBusy(recovery) || recovery === 'invalid-credential')) {
          // Any number of new guests could be created, so only one is tried.
          if (recovery === 'invalid-credential' && lease.session.kind === 'guest') {
            if (retries.isSpent(recovery)) throw outcome
            retries.add(recovery)
          }
          annotate(`${lease.id}: ${outcome.code}`)
          lease.reportFailure(recovery, outcome)
          lease = await sessionQueue.acquire()
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
    const { request: named, restore, restoreError } = withLegalToolNames(asked.request)
    const call = { ...asked, request: named }
    const { tools, toolChoice } = named
    const callable = options.tools && toolChoice !== 'none' ? tools : []
    const request = promptTools(options.tools ? call.request : { ...call.request, tools: [], toolChoice: 'auto' })
    const mustCallTool = options.tools && demandsCall(call.request)
    return {
      call,
      request,
      images: imagesOf(request),
      tools: callable,
      mustCallTool,
      toolChoice: asked.request.toolChoice,
      restoreNames: restore,
      restoreErrorNames: restoreError,
    }
  }

  async function attempt(
    job: WebRequestJob,
    session: Session,
    observed: AttemptObserver | undefined,
  ): Promise<Opening> {
    const { stream, closed } = await sendCompletion(job, session, observed)
    const opening = await awaitFirstDelta(stream, { label })
    observed?.begun()
    if (observed) void closed.then(observed.ended)
    const found = job.mustCallTool && (await awaitToolCall(opening, job.toolChoice, job.call))
    return { ...(found || { ...opening, lacksCall: false }), closed }
  }

  async function sendCompletion(
    job: WebRequestJob,
    session: Session,
    observer: AttemptObserver | undefined,
  ): Promise<{ stream: BatchStream<Delta[]>; closed: Promise<void> }> {
    const { request } = job
    const { signal } = job.call
    const known = await version.current(signal)
    const files = await uploadImages(job.images, { ...options, uploads, session, version: known, signal })
    const encoded = encode(request, {
      model: catalogue.traitsOf(job.call.model),
      userName: session.userName,
      now: clock.now(),
      ids: { message: newUuid(), userMessage: newUuid() },
      mode: options.messagesMode,
      callsTools: job.tools.length > 0,
      files,
    })
    const response = await complete(encoded, { session, version: known, signal, observer }, options)
    if (!response.ok || response.body === null || !isEventStream(response))
      throw answerError(await client.read(response, signal))
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
    const { idleMs } = options
    const deltas = sseDeltas(response.body, { label, decoder: reader(job), clock, signal, idleMs, onClose })
    return { stream: pipe(deltas, deltaTransform(job)), closed }
  }

  function reader({ call, tools }: WebRequestJob): Transform<string, Delta> {
    const { whole, annotate } = call
    const declaredTools = new Set(tools.map((tool) => tool.name))
    if (tools.length === 0) return decoder({ whole, declaredTools, annotate })
    const mendArguments = (name: string, text: string) =>
      repairedText(text, tools.find((tool) => tool.name === name)?.parameters ?? {})
    return decoder({ whole, declaredTools, mendArguments, annotate, holdFrom: '<tool_call' })
  }

  /** Extracts reasoning and tool calls from the text, and restores the client's tool names. */
  function deltaTransform({
    call: { annotate, model, whole },
    tools,
    restoreNames,
  }: WebRequestJob): Transform<Delta, Delta> {
    const { scanLimit } = options
    const empty = emptyResponse
    return channelsAndCalls({ tools, scanLimit, frames: model.vision, whole, empty, annotate, restoreNames })
  }
}

function isBusy(recovery: WebRecovery): recovery is 'concurrency-limited' | 'account-concurrency-limited' {
  return recovery === 'concurrency-limited' || recovery === 'account-concurrency-limited'
}

function recoveryFor(outcome: Opening | GatewayError): WebRecovery {
  if (outcome instanceof GatewayError) return recoveryOf(outcome)
  return outcome.lacksCall ? 'force-tool-call' : 'none'
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
