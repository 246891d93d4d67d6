import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { type BatchStream, pipe } from '../../core/batch-stream.ts'
import type { Clock } from '../../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import { type ChatRequest, demandsCall, type ImagePart, type Tool, type ToolChoice } from '../../core/request.ts'
import { type LegalRequest, withLegalToolNames } from '../../core/tool-names.ts'
import { chain, type Transform } from '../../core/transform.ts'
import type { OpenedReply, UpstreamCall } from '../../core/upstream.ts'
import type { HttpResponse } from '../../http-client/send.ts'
import { repairedText } from '../../json/repair.ts'
import { channels } from '../../prompted-tools/channels.ts'
import { withoutDoubledCalls } from '../../prompted-tools/doubled-calls.ts'
import { toolCallParser } from '../../prompted-tools/parse.ts'
import { promptTools } from '../../prompted-tools/prompt.ts'
import { sseDeltas } from '../../wire/event-stream.ts'
import { awaitFirstDelta } from '../../wire/first-delta.ts'
import { backoff, retryNote } from '../../wire/retry.ts'
import { awaitToolCall, type FirstCallSearch } from './await-tool-call.ts'
import { redactUrls, type WebClient, type WebResponse } from './client.ts'
import { decoder } from './decode.ts'
import { type Encoded, encode, imagesOf, type MessagesMode } from './encode.ts'
import { bodyError, type Recovery as ErrorRecovery, emptyResponse, recoveryOf } from './errors.ts'
import type { FrontEndVersion } from './front-end-version.ts'
import { createUploads, type FetchImage, imageRefusal, uploadImages } from './image-upload.ts'
import type { Catalogue } from './models.ts'
import { withoutUnsendable } from './old-images.ts'
import type { Sessions } from './sessions/index.ts'
import type { Session } from './sessions/session-api.ts'
import { sign } from './signature.ts'

const maxRetries = 2
/** Name of the upstream, for errors. */
const label = 'Z.AI'

export interface OpenerOptions {
  client: WebClient
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  version: FrontEndVersion
  sessions: Sessions
  catalogue: Catalogue
  fetchImage: FetchImage
  newUuid: () => string
  completionPath: string
  signingKey: string
  sign: boolean
  createChat: boolean
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
    const { signal, annotate } = call
    const guests = job.images.length === 0
    const sessionQueue = sessions.queueForSession({
      model: call.model.upstreamId,
      caller: call.caller,
      guests,
      signal,
      annotate,
    })
    const tried = new Set<WebRecovery>()
    let lease = await sessionQueue.acquire()
    try {
      for (;;) {
        const outcome = await attempt(job, lease.session).catch((thrown: unknown) => asGatewayError(redactUrls(thrown)))
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
            if (isExhausted(recovery, tried)) throw outcome
            tried.add(recovery)
          }
          annotate(`${lease.id}: ${outcome.code}`)
          lease.reportFailure(recovery, outcome)
          lease = await sessionQueue.acquire()
          continue
        }
        if (recovery === 'none' || isExhausted(recovery, tried)) {
          if (outcome instanceof GatewayError) throw outcome
          lease.reportSuccess()
          void outcome.closed.then(lease.release)
          return { first: outcome.first.map(withoutUrl), rest: withRedactedUrls(outcome.rest) }
        }
        if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
        tried.add(recovery)
        annotate(
          outcome instanceof GatewayError
            ? retryNote(recovery, outcome)
            : `retry (${recovery}) after a reply without a call`,
        )
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

  async function attempt(job: WebRequestJob, session: Session): Promise<Opening> {
    const { stream, closed } = await sendCompletion(job, session)
    const opening = await awaitFirstDelta(stream, { label })
    const found = job.mustCallTool && (await awaitToolCall(opening, job.toolChoice, job.call))
    return { ...(found || { ...opening, lacksCall: false }), closed }
  }

  async function sendCompletion(
    job: WebRequestJob,
    session: Session,
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
    const chatId = options.createChat ? await newChat(encoded.chat, session, known, signal) : newUuid()
    const response = await complete(encoded, chatId, session, known, signal)
    if (!response.ok || response.body === null || !isEventStream(response))
      throw errorOf(await client.read(response, signal))
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
    const { idleMs } = options
    const deltas = sseDeltas(response.body, { label, decoder: reader(job), clock, signal, idleMs, onClose })
    return { stream: pipe(deltas, deltaTransform(job)), closed }
  }

  async function newChat(chat: object, { token }: Session, known: string, signal: AbortSignal): Promise<string> {
    const answer = await client.ask('/api/v1/chats/new', { method: 'POST', token, version: known, body: chat, signal })
    const id = answer.ok ? chatIdOf(answer.text) : undefined
    if (id === undefined) throw errorOf(answer)
    return id
  }

  function complete(
    encoded: Encoded,
    chatId: string,
    { token, userId }: Session,
    known: string,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const pathname = `/c/${chatId}`
    const headers = { referer: `${client.origin}${pathname}` }
    const call = { method: 'POST', token, version: known, signal } as const
    if (!options.sign)
      return client.open(options.completionPath, { ...call, headers, body: encoded.completion(chatId, false) })

    const at = clock.now()
    const requestId = newUuid()
    const signature = sign({ requestId, userId, at, prompt: encoded.prompt, key: options.signingKey })
    const query = new URLSearchParams({
      timestamp: String(at),
      requestId,
      user_id: userId,
      version: '0.0.1',
      platform: 'web',
      token,
      current_url: `${client.origin}${pathname}`,
      pathname,
      signature_timestamp: String(at),
    })
    return client.open(`${options.completionPath}?${query}`, {
      ...call,
      headers: { ...headers, 'x-signature': signature },
      body: encoded.completion(chatId, true),
    })
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
    const separated = channels({ tools, scanLimit, frames: model.vision, whole, empty: emptyResponse, annotate })
    if (tools.length === 0) return restoreNames ? chain(separated, restoreNames) : separated
    const parsed = chain(separated, chain(toolCallParser(tools, { scanLimit }), withoutDoubledCalls()))
    return restoreNames ? chain(parsed, restoreNames) : parsed
  }
}

function isBusy(recovery: WebRecovery): recovery is 'concurrency-limited' | 'account-concurrency-limited' {
  return recovery === 'concurrency-limited' || recovery === 'account-concurrency-limited'
}

function isExhausted(recovery: WebRecovery, tried: ReadonlySet<WebRecovery>): boolean {
  return tried.has(recovery) || tried.size === maxRetries
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

const id = Type.String({ minLength: 1 })
const NewChat = Type.Union([Type.Object({ id }), Type.Object({ chat: Type.Object({ id }) })])

function chatIdOf(text: string): string | undefined {
  const answer = parseJson(text)
  if (!Value.Check(NewChat, answer)) return undefined
  return 'id' in answer ? answer.id : answer.chat.id
}

function isEventStream(response: HttpResponse): boolean {
  return (response.headers.get('content-type') ?? '').includes('text/event-stream')
}

function errorOf({ status, contentType, text }: WebResponse): GatewayError {
  return bodyError(status, contentType, text)
}
