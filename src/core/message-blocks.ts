import { GatewayError } from './errors.ts'
import type { StreamEvent, TextKind, Usage } from './events.ts'
import { isRecord, parseJson } from './json.ts'
import { type LeadingBreaks, leadingBreaks } from './leading-breaks.ts'
import type { StreamedCall } from './streamed-call.ts'
import { type UsageEstimate, usageEstimate } from './usage-estimate.ts'

export interface NormaliserOptions {
  newToolCallId: () => string
  /** Estimate of the prompt: reported at the start of the message, and at its end if the upstream sends no usage. */
  inputTokens: number
  countTokens: (text: string) => number
}

/** A reply as far as its events were sent, and what of it waits. */
export interface MessageState {
  readonly options: NormaliserOptions
  readonly estimate: UsageEstimate
  readonly beginnings: LeadingBreaks
  /** Whether `message-start` was sent. */
  started: boolean
  /** Whether the final event was sent. */
  over: boolean
  /** The one block that has begun and not ended. */
  open: OpenText | OpenCall | undefined
  nextIndex: number
  /** How many calls have begun. */
  calls: number
  /** The last usage that the upstream has sent. */
  usage: Usage | undefined
  /** Calls that cannot open yet, by key: another call is still open, or their name has not arrived. */
  readonly waiting: Map<string, StreamedCall>
  /** Keys of calls that have ended. Further pieces of them are dropped. */
  readonly closed: Set<string>
  /** Text that arrived between the pieces of calls. It is sent after the calls. */
  readonly between: { kind: TextKind; text: string }[]
}

interface OpenText {
  kind: TextKind
  index: number
  text: string
}

interface OpenCall {
  kind: 'tool-call'
  index: number
  /** The upstream's name for the call, which its pieces carry. */
  key: string
  id: string
  call: StreamedCall
}

export function newMessage(options: NormaliserOptions): MessageState {
  return {
    options,
    estimate: usageEstimate(options.inputTokens, options.countTokens),
    beginnings: leadingBreaks(),
    started: false,
    over: false,
    open: undefined,
    nextIndex: 0,
    calls: 0,
    usage: undefined,
    waiting: new Map(),
    closed: new Set(),
    between: [],
  }
}

export function startMessage(message: MessageState, out: StreamEvent[]): void {
  if (message.started) return
  message.started = true
  out.push({ type: 'message-start', inputTokens: message.options.inputTokens })
}

export function failMessage(message: MessageState, error: GatewayError, out: StreamEvent[]): void {
  startMessage(message, out)
  message.over = true
  out.push({ type: 'error', error, ...(message.usage === undefined ? {} : { usage: message.usage }) })
}

/** Opens a block of text, once there is more of it than line breaks. */
export function openText(message: MessageState, kind: TextKind, text: string, out: StreamEvent[]): void {
  const beginning = message.beginnings.add(kind, text)
  if (beginning === undefined) return
  closeAll(message, out)
  if (message.over) return
  const index = message.nextIndex++
  message.open = { kind, index, text: beginning }
  out.push({ type: `${kind}-start`, index }, { type: `${kind}-delta`, index, text: beginning })
}

/** Opens a call that has a name. */
export function openCall(message: MessageState, key: string, call: StreamedCall, out: StreamEvent[]): void {
  message.waiting.delete(key)
  message.beginnings.drop()
  message.calls++
  const index = message.nextIndex++
  const id = call.id || message.options.newToolCallId()
  message.open = { kind: 'tool-call', index, key, id, call }
  out.push({ type: 'tool-call-start', index, id, name: call.name })
  if (call.arguments !== '') out.push({ type: 'tool-call-delta', index, text: call.arguments })
}

/** Closes the open block, and sends the calls that wait, as far as they have a name. */
export function closeAll(message: MessageState, out: StreamEvent[], cut = false): void {
  closeBlock(message, out, cut)
  for (const [key, call] of message.waiting) {
    if (call.name === '' || message.over) continue
    openCall(message, key, call, out)
    closeBlock(message, out, cut)
  }
}

/** Closes the open block. With `cut`, the reply was cut for length, and a call may end with partial arguments. */
export function closeBlock(message: MessageState, out: StreamEvent[], cut = false): void {
  const { open } = message
  if (!open || message.over) return
  if (open.kind === 'tool-call') closeCall(message, open, cut, out)
  else {
    if (!message.usage) message.estimate.addText(open.kind, open.text)
    out.push({ type: `${open.kind}-end`, index: open.index, text: open.text })
  }
  message.open = undefined
}

function closeCall(message: MessageState, { key, index, id, call }: OpenCall, cut: boolean, out: StreamEvent[]): void {
  message.closed.add(key)
  if (call.arguments === '') {
    call.arguments = '{}'
    out.push({ type: 'tool-call-delta', index, text: '{}' })
  } else if (!cut && !isRecord(parseJson(call.arguments))) {
    failMessage(message, brokenCall(call.name), out)
    return
  }
  if (!message.usage) message.estimate.addCall(call.name, call.arguments)
  out.push({ type: 'tool-call-end', index, id, name: call.name, arguments: call.arguments })
}

function brokenCall(name: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that are not a JSON object. Try again.`,
  )
}
