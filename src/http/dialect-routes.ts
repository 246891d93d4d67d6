import type { Clock } from '../core/clock.ts'
import { collector } from '../core/collect.ts'
import { type Cost, costOf, type Dialect, type Encoder, type ReplyTiming } from '../core/dialect.ts'
import { asGatewayError, invalidField } from '../core/errors.ts'
import type { Reply } from '../core/events.ts'
import { type Redact, redactError } from '../core/redact.ts'
import type { Spending } from '../core/spending.ts'
import { truncateList } from '../core/truncate.ts'
import { emptyCall } from '../gateway/empty-call.ts'
import type { Gateway } from '../gateway/index.ts'
import { type ReasoningMode, reasoningModes } from '../gateway/reasoning-placement.ts'
import type { RequestCapture } from '../observe/capture.ts'
import { elapsedMs, enterPhase, type RequestRecord } from '../observe/record.ts'
import { sessionOf } from '../observe/sessions.ts'
import type { ResponseStore } from '../store/responses.ts'
import type { BackgroundReplies } from './background-replies.ts'
import { addressesOf } from './base-paths.ts'
import type { JsonBody } from './body.ts'
import { type BodyCheck, bodyCheck } from './body-validation.ts'
import { streamHeaders, streamReply, wholeReply } from './deliver.ts'
import type { LiveSettings } from './live-settings.ts'
import type { RecentReplies } from './recent-replies.ts'
import { resolveReferences } from './resolve-references.ts'
import type { Route, RouteContext } from './route.ts'
import { unlessEnded } from './shutdown.ts'
import { unknownFields } from './unknown-fields.ts'

export interface DialectRouteOptions {
  gateway: Gateway
  store: ResponseStore
  backgroundReplies: BackgroundReplies
  clock: Clock
  newId: (prefix: string) => string
  settings: LiveSettings
  redact: Redact
  recordOf: (request: Request) => RequestRecord
  /** The latest replies of the connection that a request came by, if its client may refer to them. */
  recentRepliesOf: (request: Request) => RecentReplies | undefined
  admitAndReadBody: AdmitAndReadBody
  connection: ServerConnection
  /** Returns the function that records the gaps between the writes of this reply. */
  gapObserverOf: ((record: RequestRecord) => (gapMs: number) => void) | undefined
  done: (record: RequestRecord) => void
  /** The budgets of the caller, if it has any. */
  spendingOf: ((record: RequestRecord) => Spending | undefined) | undefined
}

/**
 * Admits a request or refuses it, and reads and checks its body. A cost of `allowance` is charged to the caller's key.
 */
export type AdmitAndReadBody = (request: Request, admission: Admission) => Promise<JsonBody>

export interface Admission {
  cost: Cost
  check: BodyCheck
  /** Fields of the body whose entries are limited. */
  conversationFields: readonly string[]
}

/** The connection of a request. */
export interface ServerConnection {
  /** From now on the connection is closed after a time without traffic. For a request whose reply is complete. */
  setIdleTimeout(request: Request): void
  /** Closes the connection soon, even if data is still to be sent. */
  abortConnection(request: Request): void
}

/** The routes that serve replies, in the same way for every dialect. */
export function replyRoutes(dialect: Dialect, basePaths: readonly string[], options: DialectRouteOptions): Route[] {
  const { conversationFields, body } = dialect
  const admission = { cost: costOf.reply, check: bodyCheck(body), conversationFields }
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'reply') return []
    const { method, path, access, summary = dialect.label } = route
    const handle = async (context: RouteContext) =>
      answer(dialect, path, context, await options.admitAndReadBody(context.request, admission), options)
    const docs = { tags: [dialect.id], summary }
    return addressesOf(dialect, path, basePaths, docs).map((address) => ({
      ...address,
      method,
      access,
      dialect,
      endsRecord: true,
      handle,
    }))
  })
}

async function answer(
  dialect: Dialect,
  path: string,
  { request, params, query }: RouteContext,
  { body, yieldIfLong }: JsonBody,
  options: DialectRouteOptions,
) {
  const { gateway, store, backgroundReplies, clock, newId, settings, recordOf, gapObserverOf, connection, done } =
    options
  const record = recordOf(request)
  record.dialect = dialect.id
  const recentReplies = options.recentRepliesOf(request)
  const complete = await resolveReferences(dialect, body, store, record.caller, recentReplies)
  await yieldIfLong()
  const decoded = dialect.decode(complete, { headers: request.headers, params, query, path })
  decoded.request.ignored.push(...unknownFields(body, dialect.body))
  record.asked = options.redact(decoded.request.model)
  record.model = decoded.request.model
  record.stream = decoded.stream
  Object.assign(record, sessionOf(request.headers, options.redact))
  record.timeline?.end()
  enterPhase(record, 'waiting')
  await yieldIfLong()
  if (decoded.atOnce) {
    await gateway.model(decoded.request.model, record.caller.policy.models)
    const head = { id: newId(dialect.ids.reply), ...headOf(record, decoded.request.model, options) }
    return await sendWhole(decoded.atOnce({ ...head, reasoningByName: false }))
  }

  const upstream = new AbortController()
  const abort = () => upstream.abort()
  let disconnect = () => {}
  const onAbort = () => {
    abort()
    disconnect()
  }
  const background = decoded.background && dialect.storedConversation?.background
  if (!background) {
    // The client may have disconnected while other requests ran.
    if (request.signal.aborted) onAbort()
    else request.signal.addEventListener('abort', onAbort, { once: true })
  }
  const { isPreparation } = decoded
  const starting = isPreparation
    ? gateway.model(decoded.request.model, record.caller.policy.models).then(emptyCall)
    : gateway.start(decoded.request, {
        signal: upstream.signal,
        caller: record.caller.keyId,
        allowedModels: record.caller.policy.models,
        whole: !decoded.stream,
        reasoningMode: reasoningModeOf(request.headers, settings.reasoningMode),
        newToolCallId: () => newId(dialect.ids.toolCall),
        annotate: (note) => record.notes.push(note),
        observer: record.timeline,
        yieldIfLong,
        spending: options.spendingOf?.(record),
        onCall: (call) => record.calls.push(call),
      })
  const call = await unlessEnded(record, starting, () => {
    abort()
    // The result is not needed any more.
    starting.then(
      ({ reply }) => reply.catch(() => {}),
      () => {},
    )
  })
  const recordUpstream = () => {
    record.model = call.model
    record.isUnlisted = call.isUnlisted === true
    record.upstream = call.upstream
    record.ignored = call.ignored
    if (decoded.stream) record.observeGap = gapObserverOf?.(record)
  }
  recordUpstream()
  record.onPhase?.(record)
  const begun = call.isFinal ? call.reply : call.reply.finally(recordUpstream)
  const reply = unlessEnded(record, begun, abort)

  const head = {
    id: newId(dialect.ids.reply),
    ...headOf(record, decoded.request.model, options),
    reasoningByName: call.reasoningByName,
    get defaultTemperature() {
      return call.defaultTemperature
    },
  }
  let storing: Promise<void> | undefined
  const save = (reply: Reply) => {
    const { storedConversation } = dialect
    const added = storedConversation?.conversations?.additions(head, reply, decoded.options)
    const adding =
      added &&
      store.change(record.caller.keyId, added.id, (kept) => ({ ...kept, input: [...kept.input, ...added.items] }))
    if (adding) storing = adding.then(() => {})
    const isWanted = storedConversation?.isWanted(decoded.options) ?? false
    if (!isWanted && !recentReplies) return
    const kept = storedConversation?.save(head, reply, decoded.options)
    if (!kept) return
    recentReplies?.keep(kept)
    if (isWanted) storing = Promise.all([store.put(record.caller.keyId, kept), adding]).then(() => {})
  }
  const headers = () => {
    // When the headers are sent, another upstream may still take over, so they name none.
    if (!call.isFinal) return requestIdHeaders({ id: record.id })
    return ignoredHeader(requestIdHeaders(record), call.ignored)
  }
  if (decoded.stream) {
    const encoder = dialect.encoder(head, decoded.options)
    const format = decoded.streamFormat ?? dialect.stream
    const keepAlive = {
      text: (settings.keepAliveStyle === 'chunk' && encoder.keepAlive) || format.keepAlive,
      everyMs: settings.keepAliveMs,
    }
    const streaming = streamReply({
      reply,
      encoder: dialect.storedConversation ? saving(encoder, save) : encoder,
      keepAlive: keepAlive.text,
      contentType: format.contentType,
      keepAliveMs: keepAlive.everyMs,
      clock,
      record,
      redact: options.redact,
      headers,
      storing: () => storing,
      stallMs: settings.stallMs,
      onDisconnect: (listener) => {
        disconnect = listener
      },
      abortConnection: () => {
        if (!background) connection.abortConnection(request)
      },
      abort,
      done: () => {
        // Another request may be using the connection of one that runs in the background.
        if (!background) connection.setIdleTimeout(request)
        done(record)
      },
    })
    if (!background) return streaming
    connection.setIdleTimeout(request)
    const begun = await backgroundReplies.begin(record.caller.keyId, {
      format: background,
      queued: background.queued(head, decoded.options),
      streaming: streaming.then(({ body }) => body, failure),
      abort,
    })
    return decoded.background?.isStreamed
      ? new Response(begun.events(-1, keepAlive), {
          headers: { ...streamHeaders(format.contentType), ...headers() },
        })
      : Response.json(begun.current().reply, { headers: headers() })
  }
  const whole = await wholeReply(reply, clock, record)
  // From here on, the reply cannot fail any more.
  record.end = () => {}
  save(whole)
  if (storing) record.timeline?.begin('store')
  await storing
  return await sendWhole(dialect.encodeReply(head, whole, decoded.options), headers())

  /** The events of a reply that failed before it could be streamed. */
  function failure(thrown: unknown): ReadableStream<Uint8Array> {
    record.error = redactError(asGatewayError(thrown), options.redact)
    const messages: string[] = []
    dialect.encoder(head, decoded.options).push({ type: 'error', error: record.error }, messages)
    done(record)
    return new Blob(messages).stream()
  }

  async function sendWhole(reply: object, headers = requestIdHeaders({ id: record.id })): Promise<Response> {
    record.status = 200
    const response = Response.json(reply, { headers })
    if (record.capture) await captureWhole(record.capture, response, clock)
    done(record)
    connection.setIdleTimeout(request)
    return response
  }
}

/** What an encoder is told about the request, apart from the model that replies. */
function headOf(record: RequestRecord, model: string, { clock, settings }: DialectRouteOptions) {
  const createdAtSeconds = seconds(clock)
  let completedAt: number | undefined
  return {
    requestId: record.id,
    model,
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

/** Keeps a response that has its whole body already. */
export async function captureWhole(capture: RequestCapture, response: Response, clock: Clock): Promise<void> {
  const { status, headers } = response
  capture.answered({ status, headers: [...headers] })
  capture.written(await response.clone().text(), clock.monotonic())
}

function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}

/** Passes the whole reply to `save` before its last event is sent. */
function saving(encoder: Encoder, save: (reply: Reply) => void): Encoder {
  const whole = collector()
  return {
    push(event, out) {
      whole.push(event)
      if (event.type === 'message-end') {
        const reply = whole.result()
        if (reply && !(reply instanceof Error)) save(reply)
      }
      encoder.push(event, out)
    },
    end: (out) => encoder.end(out),
    textWriter: () => encoder.textWriter?.(),
  }
}

/**
 * The id of the request in the log, in both spellings (Anthropic's SDK reads the second), and the upstream that
 * answered.
 */
export function requestIdHeaders(record: Pick<RequestRecord, 'id' | 'upstream'>): Record<string, string> {
  const { id, upstream } = record
  const ids = { 'x-request-id': id, 'request-id': id }
  return upstream === undefined ? ids : { ...ids, 'x-zai2api-upstream': upstream }
}

export function ignoredHeader(headers: Record<string, string>, names: string[]): Record<string, string> {
  // Header values are ASCII, but the names come from the client's body.
  return names.length === 0
    ? headers
    : { ...headers, 'x-zai2api-ignored': truncateList(names).replace(/[^\x20-\x7e]/g, '?') }
}

function reasoningModeOf(headers: Headers, fallback: ReasoningMode): ReasoningMode {
  const asked = headers.get('x-thinking-processing')
  if (asked === null) return fallback
  const mode = reasoningModes.find((known) => known === asked.trim().toLowerCase())
  if (mode) return mode
  throw invalidField('x-thinking-processing', `expected one of ${reasoningModes.join(', ')}`)
}
