import type { Decoded, Dialect } from '../core/dialect.ts'
import { invalidField } from '../core/errors.ts'
import type { ReplyStream } from '../core/pipeline.ts'
import type { Redact } from '../core/redact.ts'
import type { Spending } from '../core/spending.ts'
import type { YieldIfLong } from '../core/yield-between-steps.ts'
import type { Gateway } from '../gateway/index.ts'
import { type ReasoningMode, reasoningModes } from '../gateway/reasoning-placement.ts'
import { replyWithoutCall } from '../gateway/reply-without-call.ts'
import type { GatewayCall } from '../gateway/start-call.ts'
import { agentSessionOf } from '../observe/agent-session.ts'
import { enterPhase, type RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import type { JsonBody } from './body.ts'
import type { LiveSettings } from './live-settings.ts'
import type { RecentReplies } from './recent-replies.ts'
import { type ReferenceSources, resolveReferences } from './resolve-references.ts'
import type { RouteContext } from './route.ts'
import { unlessEnded } from './shutdown.ts'
import { unknownFields } from './unknown-fields.ts'

export interface StartOptions {
  gateway: Gateway
  store: ResponseStore
  repliesElsewhere: ReferenceSources['repliesElsewhere']
  newId: (prefix: string) => string
  settings: LiveSettings
  redact: Redact
  recordOf: (request: Request) => RequestRecord
  /** The latest replies of the connection that a request came by, if its client may refer to them. */
  recentRepliesOf: (request: Request) => RecentReplies | undefined
  /** Returns the function that records the gaps between the writes of this reply. */
  gapObserverOf: ((record: RequestRecord) => (gapMs: number) => void) | undefined
  /** The budgets of the caller, if it has any. */
  spendingOf: ((record: RequestRecord) => Spending | undefined) | undefined
}

/** A request for a reply, decoded. */
export interface ReplyRequest {
  dialect: Dialect
  request: Request
  record: RequestRecord
  decoded: Decoded<unknown>
  recentReplies: RecentReplies | undefined
  yieldIfLong: YieldIfLong
}

/** Decodes a request with everything it refers to, and records what it asks for. Errors: `invalid-request`. */
export async function decodeRequest(
  dialect: Dialect,
  path: string,
  { request, params, query }: RouteContext,
  { body, yieldIfLong }: JsonBody,
  { store, repliesElsewhere, redact, recordOf, recentRepliesOf }: StartOptions,
): Promise<ReplyRequest> {
  const record = recordOf(request)
  record.dialect = dialect.id
  const recentReplies = recentRepliesOf(request)
  const complete = dialect.storedConversation
    ? await resolveReferences(dialect, body, { store, repliesElsewhere }, record.caller, recentReplies)
    : body
  const pause = yieldIfLong()
  if (pause) await pause
  const understood = dialect.decode(complete, { headers: request.headers, params, query, path })
  const ignored = [...understood.request.ignored, ...unknownFields(body, dialect.body)]
  const decoded = { ...understood, request: { ...understood.request, ignored } }
  record.requestedModel = redact(decoded.request.model)
  record.model = decoded.request.model
  record.stream = decoded.stream
  Object.assign(record, agentSessionOf(request.headers, redact))
  record.timeline?.end()
  enterPhase(record, 'waiting')
  const secondPause = yieldIfLong()
  if (secondPause) await secondPause
  return { dialect, request, record, decoded, recentReplies, yieldIfLong }
}

/** How the upstream's call of one request is cancelled. */
export interface Cancellation {
  signal: AbortSignal
  /** Cancels the call. */
  abort(): void
  /** Registers the function to call when the client has disconnected; it replaces the one before. */
  onDisconnect(listener: () => void): void
}

/** Cancels the call when the client disconnects, unless the reply is written in the background. */
export function cancellationOf({ signal }: Request, isBackground: boolean): Cancellation {
  const upstream = new AbortController()
  const abort = () => upstream.abort()
  let disconnect = () => {}
  const onAbort = () => {
    abort()
    disconnect()
  }
  if (!isBackground) {
    // The client may have disconnected while other requests ran.
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }
  return {
    signal: upstream.signal,
    abort,
    onDisconnect: (listener) => {
      disconnect = listener
    },
  }
}

export interface StartedReply {
  call: GatewayCall
  /** Resolves when the reply has begun. Errors: GatewayError, also when the gateway ends the request. */
  reply: Promise<ReplyStream>
}

/** Asks the gateway for the reply, and records which upstream and model it comes from. Errors: GatewayError. */
export async function startReply(
  { dialect, request, record, decoded, yieldIfLong }: ReplyRequest,
  { signal, abort }: Cancellation,
  { gateway, newId, settings, gapObserverOf, spendingOf }: StartOptions,
): Promise<StartedReply> {
  const starting = decoded.isEmpty
    ? gateway.model(decoded.request.model, record.caller.policy).then(replyWithoutCall)
    : gateway.start(decoded.request, {
        signal,
        caller: record.caller.keyId,
        isBackground: record.isBackground,
        allowed: record.caller.policy,
        whole: !decoded.stream,
        reasoningMode: reasoningModeOf(request.headers, settings.reasoningMode),
        newToolCallId: () => newId(dialect.ids.toolCall),
        annotate: (note) => record.notes.push(note),
        observer: record.timeline,
        yieldIfLong,
        spending: spendingOf?.(record),
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
  return { call, reply: unlessEnded(record, begun, abort) }
}

function reasoningModeOf(headers: Headers, fallback: ReasoningMode): ReasoningMode {
  const asked = headers.get('x-thinking-processing')
  if (asked === null) return fallback
  const mode = reasoningModes.find((known) => known === asked.trim().toLowerCase())
  if (mode) return mode
  throw invalidField('x-thinking-processing', `expected one of ${reasoningModes.join(', ')}`)
}
