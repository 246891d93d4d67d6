import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import { type ChargeKind, costOf } from '../core/dialect-route.ts'
import { asGatewayError, type GatewayError } from '../core/errors.ts'
import type { ReplyBlock } from '../core/events.ts'
import { isLongText } from '../core/long-json.ts'
import { redactError } from '../core/redact.ts'
import type { ReplyHead, ReplyTiming } from '../core/reply-encoder.ts'
import type { BackgroundFormat } from '../core/stored-conversation.ts'
import { nextTurn } from '../core/yield-between-steps.ts'
import type { GatewayCall } from '../gateway/start-call.ts'
import { elapsedMs, type RequestRecord } from '../observe/record.ts'
import type { BackgroundReplies } from './background-replies.ts'
import { behindBasePaths } from './base-paths.ts'
import type { JsonBody } from './body.ts'
import { type BodyCheck, bodyCheck } from './body-validation.ts'
import { streamHeaders, streamReply, wholeReply } from './deliver.ts'
import { ignoredHeader, requestIdHeaders } from './response-headers.ts'
import type { Route, RouteContext } from './route.ts'
import { type ReplySaver, replySaver, savingEncoder } from './save-reply.ts'
import {
  type Cancellation,
  cancellationOf,
  decodeRequest,
  type ReplyRequest,
  type StartedReply,
  type StartOptions,
  startReply,
} from './start-reply.ts'
import type { ClientStreamOptions } from './streamed-body.ts'
import { completeResponse, wholeResponse } from './whole-response.ts'

export interface ReplyRouteOptions extends StartOptions {
  backgroundReplies: BackgroundReplies
  clock: Clock
  admitAndReadBody: AdmitAndReadBody
  connection: ServerConnection
  done: (record: RequestRecord) => void
}

/**
 * Admits a request or refuses it, and reads and checks its body. A cost of `allowance` is charged to the caller's key.
 */
export type AdmitAndReadBody = (request: Request, admission: Admission) => Promise<JsonBody>

export interface Admission {
  cost: ChargeKind
  check: BodyCheck
  /** Fields of the body whose entries are limited. */
  conversationFields: readonly string[]
  /** The most JSON values in the body, if more than usual are allowed. */
  mostValues?: number
}

/** The connection of a request. */
export interface ServerConnection {
  /** Closes the connection after a time without traffic, from now on. It is called when a reply is complete. */
  setIdleTimeout(request: Request): void
  /** Closes the connection soon, even if data is still to be sent. */
  abortConnection(request: Request): void
}

/** The routes that serve replies, in the same way for every dialect. */
export function replyRoutes(dialect: Dialect, basePaths: readonly string[], options: ReplyRouteOptions): Route[] {
  const { conversationFields, body } = dialect
  const admission = { cost: costOf.reply, check: bodyCheck(body), conversationFields }
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'reply') return []
    const { method, path, access, summary = dialect.label } = route
    const handle = async (context: RouteContext) =>
      answer(dialect, path, context, await options.admitAndReadBody(context.request, admission), options)
    const docs = { tags: [dialect.id], summary }
    return behindBasePaths({ method, path, access, dialect, docs, endsRecord: true, handle }, basePaths)
  })
}

/** Handles one request, from its body to the response. */
async function answer(
  dialect: Dialect,
  path: string,
  context: RouteContext,
  body: JsonBody,
  options: ReplyRouteOptions,
): Promise<Response> {
  const replyRequest = await decodeRequest(dialect, path, context, body, options)
  const { request } = replyRequest
  const background = backgroundOf(replyRequest)
  const cancellation = cancellationOf(request, background !== undefined)
  try {
    return await send(replyRequest, cancellation, options)
  } catch (thrown) {
    const error = asGatewayError(thrown)
    const isReply = error.kind === 'content-filtered' && dialect.refusedPrompt !== undefined
    if (!isReply || background) throw thrown
    return await sendRefusal(error, replyRequest, options)
  }
}

/** Starts the reply and sends it, whole or as a stream. Errors: GatewayError, before anything was sent. */
async function send(
  replyRequest: ReplyRequest,
  cancellation: Cancellation,
  options: ReplyRouteOptions,
): Promise<Response> {
  const { dialect, record, decoded, recentReplies } = replyRequest
  const background = backgroundOf(replyRequest)
  const started = await startReply(replyRequest, cancellation, options)
  const { call } = started
  const head: ReplyHead = {
    ...headOf(replyRequest, options),
    reasoningByName: call.reasoningByName,
    get defaultTemperature() {
      return call.defaultTemperature
    },
  }
  const saver = replySaver({
    storedConversation: dialect.storedConversation,
    head,
    decodedOptions: decoded.options,
    owner: record.caller.keyId,
    store: background ? { ...options.store, put: options.backgroundReplies.save } : options.store,
    recentReplies,
  })
  const reply: PreparedReply = { ...replyRequest, ...started, head, saver, cancellation }
  if (background) return await sendInBackground(reply, background, options)
  return decoded.stream ? await sendStream(reply, options) : await sendWhole(reply, options)
}

/** The reply to a prompt that was refused, where the API has one. */
async function sendRefusal(
  refused: GatewayError,
  replyRequest: ReplyRequest,
  options: ReplyRouteOptions,
): Promise<Response> {
  const { dialect, request, record, decoded } = replyRequest
  const error = redactError(refused, options.redact)
  record.error = error
  const head = { ...headOf(replyRequest, options), reasoningByName: false }
  const headers = requestIdHeaders(record)
  if (!decoded.stream)
    return await wholeResponse(request, record, { reply: dialect.refusedPrompt?.(head, error) ?? {}, headers }, options)
  const messages: string[] = []
  dialect.encoder(head, decoded.options).push({ type: 'error', error }, messages)
  const { contentType } = decoded.streamFormat ?? dialect.stream
  const response = new Response(messages.join(''), { headers: { ...streamHeaders(contentType), ...headers } })
  return await completeResponse(request, record, response, options)
}

/** A started reply, with all that its response needs. */
interface PreparedReply extends ReplyRequest, StartedReply {
  head: ReplyHead
  saver: ReplySaver
  cancellation: Cancellation
}

async function sendWhole(prepared: PreparedReply, options: ReplyRouteOptions): Promise<Response> {
  const { dialect, request, record, decoded, call, head, saver } = prepared
  const whole = await wholeReply(prepared.reply, options.clock, record)
  // The reply cannot fail any more from here on.
  record.end = () => {}
  // Reading its end has taken long already.
  const isLong = whole.blocks.some(isLongBlock)
  if (isLong) await nextTurn(options.clock)
  saver.save(whole)
  const storing = saver.storing()
  if (storing) record.timeline?.begin('store')
  await storing
  const reply = dialect.encodeReply(head, whole, decoded.options)
  return await wholeResponse(request, record, { reply, headers: replyHeaders(record, call), isLong }, options)
}

function isLongBlock(block: ReplyBlock): boolean {
  if (block.type === 'tool-call') return isLongText(block.arguments)
  return (block.type === 'text' || block.type === 'reasoning') && isLongText(block.text)
}

/** Streams the reply to the client. */
async function sendStream(prepared: PreparedReply, options: ReplyRouteOptions): Promise<Response> {
  const { request } = prepared
  const { connection } = options
  return await streamReply(
    streamOptions(prepared, options, {
      abort: () => connection.abortConnection(request),
      release: () => connection.setIdleTimeout(request),
    }),
  )
}

/** Streams the reply to the store, whether or not the client waits for it. */
async function sendInBackground(
  prepared: PreparedReply,
  format: BackgroundFormat,
  options: ReplyRouteOptions,
): Promise<Response> {
  const { request, record, decoded, call, head, saver, cancellation } = prepared
  const { backgroundReplies, connection } = options
  // The reply has no connection of its own: only its stream can be broken off, and another request may be using the
  // connection when the reply ends.
  const broken = new AbortController()
  const stream = streamOptions(prepared, options, { abort: () => broken.abort(), release() {} })
  const streaming = streamReply(stream).then(
    ({ body }) => body?.pipeThrough(new TransformStream(), { signal: broken.signal }) ?? null,
    (thrown: unknown) => failedStream(thrown, prepared, options),
  )
  connection.setIdleTimeout(request)
  const begun = await backgroundReplies.begin(record.caller.keyId, {
    format,
    queued: format.queued(head, decoded.options),
    streaming,
    isStored: saver.isStored,
    abort: cancellation.abort,
  })
  const headers = replyHeaders(record, call)
  if (!decoded.background?.isStreamed) return Response.json(begun.current().reply, { headers })
  return new Response(begun.events(-1, { text: stream.keepAlive, everyMs: stream.keepAliveMs }), {
    headers: { ...streamHeaders(stream.contentType), ...headers },
  })
}

/** What the events of a reply are written to. */
interface ReplyConnection {
  /** Breaks off the reply, which cannot be ended in its dialect. */
  abort(): void
  /** The reply is complete. */
  release(): void
}

function streamOptions(
  prepared: PreparedReply,
  options: ReplyRouteOptions,
  connection: ReplyConnection,
): ClientStreamOptions {
  const { dialect, record, decoded, call, reply, head, saver, cancellation } = prepared
  const { clock, settings, redact, done } = options
  const encoder = dialect.encoder(head, decoded.options)
  const format = decoded.streamFormat ?? dialect.stream
  return {
    reply,
    clock,
    record,
    redact,
    headers: () => replyHeaders(record, call),
    encoder: dialect.storedConversation ? savingEncoder(encoder, saver.save) : encoder,
    contentType: format.contentType,
    keepAlive: (settings.keepAliveStyle === 'chunk' && encoder.keepAlive) || format.keepAlive,
    keepAliveMs: settings.keepAliveMs,
    storing: saver.storing,
    stallMs: settings.stallMs,
    onDisconnect: cancellation.onDisconnect,
    abortConnection: connection.abort,
    abort: cancellation.abort,
    done() {
      connection.release()
      done(record)
    },
  }
}

/** The events of a reply in the background that failed before it could be streamed. */
function failedStream(
  thrown: unknown,
  { dialect, record, decoded, head }: PreparedReply,
  { redact, done }: ReplyRouteOptions,
): ReadableStream<Uint8Array> {
  record.error = redactError(asGatewayError(thrown), redact)
  const messages: string[] = []
  dialect.encoder(head, decoded.options).push({ type: 'error', error: record.error }, messages)
  done(record)
  return new Blob(messages).stream()
}

/** How the reply is kept if it is written whether or not the client waits; `undefined` for any other. */
function backgroundOf({ dialect, decoded }: ReplyRequest) {
  return decoded.background ? dialect.storedConversation?.background : undefined
}

function replyHeaders(record: RequestRecord, call: GatewayCall): Record<string, string> {
  // When the headers are sent, another upstream may still take over, so they name none.
  if (!call.isFinal) return requestIdHeaders({ id: record.id })
  return ignoredHeader(requestIdHeaders(record), call.ignored)
}

/** What an encoder is told about the request, apart from the model that replies. */
function headOf({ dialect, record, decoded }: ReplyRequest, { clock, newId, settings }: ReplyRouteOptions) {
  const createdAtSeconds = seconds(clock)
  let completedAt: number | undefined
  return {
    id: newId(dialect.ids.reply),
    requestId: record.id,
    model: decoded.request.model,
    createdAtSeconds,
    completedAtSeconds() {
      completedAt ??= Math.max(createdAtSeconds, seconds(clock))
      return completedAt
    },
    reasoningField: settings.reasoningField,
    timing(): ReplyTiming {
      const totalMs = elapsedMs(record, clock)
      return { totalMs, firstTokenMs: record.firstTokenMs ?? totalMs }
    },
  }
}

function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}
