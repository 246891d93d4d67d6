import { type BatchStream, pipe } from '../../core/batch-stream.ts'
import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import type { ToolChoice } from '../../core/request.ts'
import type { OpenedReply } from '../../core/upstream.ts'
import type { HttpResponse } from '../../http-client/send.ts'
import { channelsAndCalls } from '../../prompted-tools/channels-and-calls.ts'
import type { PayloadReader } from '../../wire/event-parser.ts'
import { sseDeltas } from '../../wire/event-stream.ts'
import { awaitFirstDelta } from '../../wire/first-delta.ts'
import { awaitToolCall } from './await-tool-call.ts'
import type { PreparedCall } from './prepare-call.ts'

/** The stream of deltas of one response. */
export interface DeltaStream {
  deltas: BatchStream<Delta[]>
  /** Settles when the stream has ended or was cancelled. */
  closed: Promise<void>
}

/** A reply of which the first delta has arrived, or failing that the reason to ask again. */
export interface Opening extends OpenedReply {
  closed: Promise<void>
  /** The client requires a tool call, and the reply has ended without one. */
  lacksCall: boolean
}

export interface UpstreamStreamOptions {
  /** Name of the upstream, for errors. */
  label: string
  decoder: PayloadReader
  clock: Clock
  idleMs: number
  scanLimit: number
  /** The texts of one read may be joined. */
  joinsTexts: boolean
  /** The error for a reply without content. */
  empty: () => GatewayError
}

/** Reads a response as deltas, with reasoning and tool calls extracted from its text. */
export function deltaStream(
  body: NonNullable<HttpResponse['body']>,
  { call, tools, restoreNames }: PreparedCall,
  { label, decoder, clock, idleMs, scanLimit, joinsTexts, empty }: UpstreamStreamOptions,
): DeltaStream {
  const { signal, whole, annotate, model } = call
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
  const read = sseDeltas(body, { label, decoder, clock, signal, idleMs, whole: joinsTexts, onClose })
  const sorted = channelsAndCalls({ tools, scanLimit, frames: model.vision, whole, empty, annotate, restoreNames })
  return { deltas: pipe(read, sorted), closed }
}

export interface AwaitOptions {
  label: string
  /** The call that the reply has to contain before anything of it is shown; `undefined` if it has to contain none. */
  requiredCall: ToolChoice | undefined
  whole: boolean
  observed: AttemptObserver | undefined
}

/** Waits for the first delta, and for the required tool call. Errors: those of `awaitFirstDelta`. */
export async function awaitOpening({ deltas, closed }: DeltaStream, options: AwaitOptions): Promise<Opening> {
  const { label, requiredCall, whole, observed } = options
  const opened = await awaitFirstDelta(deltas, { label })
  observed?.begun()
  if (observed) void closed.then(observed.ended)
  if (requiredCall === undefined) return { ...opened, closed, lacksCall: false }
  return { ...(await awaitToolCall(opened, requiredCall, { whole })), closed }
}

/** What to do after an attempt; `force-tool-call` asks the model again for the tool call that the client requires. */
export function recoveryAfter<Recovery>(
  outcome: Opening | GatewayError,
  recoveryOf: (error: GatewayError) => Recovery,
): Recovery | 'force-tool-call' | 'none' {
  if (outcome instanceof GatewayError) return recoveryOf(outcome)
  return outcome.lacksCall ? 'force-tool-call' : 'none'
}
