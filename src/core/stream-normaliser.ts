import { appendText } from './append-text.ts'
import { GatewayError } from './errors.ts'
import {
  type Delta,
  type FinishReason,
  isCut,
  type ServerTool,
  type StreamEvent,
  type TextKind,
  type Usage,
} from './events.ts'
import { isRecord, parseJson } from './json.ts'
import { leadingBreaks } from './leading-breaks.ts'
import { addToCall, isUnfinished, isWhole, newCall, type StreamedCall } from './streamed-call.ts'
import type { Transform } from './transform.ts'
import { usageEstimate } from './usage-estimate.ts'

export interface NormaliserOptions {
  newToolCallId: () => string
  /** Estimate of the prompt: reported at the start of the message, and at its end if the upstream sends no usage. */
  inputTokens: number
  countTokens: (text: string) => number
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

/**
 * Turns the deltas of any upstream into a stream of events with guarantees for every encoder:
 *
 * - `message-start` comes first.
 * - One block is open at a time. Pieces of interleaved tool calls are put in order, because SDK helpers attach each
 *   delta to the *last* block.
 * - A block opens only when it has content, and its end carries the full text.
 * - There is exactly one final event. It is sent when the upstream says it has finished, not when its socket closes; a
 *   stream that stops without `finish` ends with an error.
 * - A call ends only with a name and with arguments that are a JSON object; otherwise the reply fails. Exception: in a
 *   reply that was cut for length, the last call may have partial arguments, and a call without a name is dropped.
 */
export function streamNormaliser(options: NormaliserOptions): Transform<Delta, StreamEvent> {
  const estimate = usageEstimate(options.inputTokens, options.countTokens)
  const beginnings = leadingBreaks()
  // Whether `message-start` was sent.
  let started = false
  // Whether the final event was sent.
  let over = false
  // The one block that has begun and not ended.
  let open: OpenText | OpenCall | undefined
  let nextIndex = 0
  let calls = 0
  // The last usage that the upstream has sent.
  let usage: Usage | undefined
  // Calls that cannot open yet, by key: another call is still open, or their name has not arrived.
  const waiting = new Map<string, StreamedCall>()
  // Keys of calls that have ended. Further pieces of them are dropped.
  const closed = new Set<string>()
  // Text that arrived between the pieces of calls. It is sent after the calls.
  const between: { kind: TextKind; text: string }[] = []

  return {
    push(delta, out) {
      if (over) return
      switch (delta.type) {
        case 'text':
        case 'reasoning':
          textDelta(delta.type, delta.text, out)
          break
        case 'tool-call':
          toolCall(delta, out)
          break
        case 'server-tool':
          serverTool(delta.tool, out)
          break
        case 'usage':
          usage = delta.usage
          break
        case 'finish':
          finish(delta.reason, delta.stopSequence, out)
          break
        case 'error':
          fail(delta.error, out)
          break
        default:
          delta satisfies never
      }
    },
    end(out) {
      if (!over) fail(truncated(), out)
    },
    passthrough: (kind) => !over && open?.kind === kind,
  }

  function start(out: StreamEvent[]): void {
    if (started) return
    started = true
    out.push({ type: 'message-start', inputTokens: options.inputTokens })
  }

  function textDelta(kind: TextKind, text: string, out: StreamEvent[]): void {
    if (text === '') return
    start(out)
    if (open?.kind === kind) {
      open.text = appendText(open.text, text)
      out.push({ type: `${kind}-delta`, index: open.index, text })
    } else if (areCallsUnfinished()) holdBetween(kind, text)
    else if (between.length > 0) {
      holdBetween(kind, text)
      sendBetween(out)
    } else openText(kind, text, out)
  }

  function openText(kind: TextKind, text: string, out: StreamEvent[]): void {
    const beginning = beginnings.add(kind, text)
    if (beginning === undefined) return
    closeAll(out)
    if (over) return
    const index = nextIndex++
    open = { kind, index, text: beginning }
    out.push({ type: `${kind}-start`, index }, { type: `${kind}-delta`, index, text: beginning })
  }

  function areCallsUnfinished(): boolean {
    if (open?.kind === 'tool-call' && isUnfinished(open.call)) return true
    for (const call of waiting.values()) if (isUnfinished(call)) return true
    return false
  }

  function holdBetween(kind: TextKind, text: string): void {
    const last = between.at(-1)
    if (last?.kind === kind) last.text = appendText(last.text, text)
    else between.push({ kind, text })
  }

  function sendBetween(out: StreamEvent[]): void {
    for (const { kind, text } of between.splice(0)) if (!over) textDelta(kind, text, out)
  }

  function toolCall(delta: Extract<Delta, { type: 'tool-call' }>, out: StreamEvent[]): void {
    if (closed.has(delta.key)) return
    start(out)
    if (open?.kind === 'tool-call' && open.key === delta.key) {
      const text = delta.arguments ?? ''
      if (text === '') return
      open.call.arguments = appendText(open.call.arguments, text)
      out.push({ type: 'tool-call-delta', index: open.index, text })
      return
    }
    const call = waiting.get(delta.key) ?? newCall()
    addToCall(call, delta)
    waiting.set(delta.key, call)
    // Another call is still open: this one waits until the arguments of that one are a complete object.
    if (open?.kind === 'tool-call' && !isWhole(open.call)) return
    if (call.name === '') return
    close(out)
    openCall(delta.key, call, out)
  }

  function openCall(key: string, call: StreamedCall, out: StreamEvent[]): void {
    waiting.delete(key)
    beginnings.drop()
    calls++
    const index = nextIndex++
    const id = call.id || options.newToolCallId()
    open = { kind: 'tool-call', index, key, id, call }
    out.push({ type: 'tool-call-start', index, id, name: call.name })
    if (call.arguments !== '') out.push({ type: 'tool-call-delta', index, text: call.arguments })
  }

  /** The upstream's tool has already finished: its result is a whole block between the blocks around it. */
  function serverTool(tool: ServerTool, out: StreamEvent[]): void {
    start(out)
    closeAll(out)
    sendBetween(out)
    close(out)
    if (over) return
    out.push({ type: 'server-tool', index: nextIndex++, tool })
  }

  /** Closes the open block, and sends the calls that wait, as far as they have a name. */
  function closeAll(out: StreamEvent[], cut = false): void {
    close(out, cut)
    for (const [key, call] of waiting) {
      if (call.name === '' || over) continue
      openCall(key, call, out)
      close(out, cut)
    }
  }

  /** Closes the open block. With `cut`, the reply was cut for length, and a call may end with partial arguments. */
  function close(out: StreamEvent[], cut = false): void {
    if (!open || over) return
    if (open.kind === 'tool-call') closeCall(open, cut, out)
    else {
      if (!usage) estimate.addText(open.kind, open.text)
      out.push({ type: `${open.kind}-end`, index: open.index, text: open.text })
    }
    open = undefined
  }

  function closeCall({ key, index, id, call }: OpenCall, cut: boolean, out: StreamEvent[]): void {
    closed.add(key)
    if (call.arguments === '') {
      call.arguments = '{}'
      out.push({ type: 'tool-call-delta', index, text: '{}' })
    } else if (!cut && !isRecord(parseJson(call.arguments))) {
      fail(brokenCall(call.name), out)
      return
    }
    if (!usage) estimate.addCall(call.name, call.arguments)
    out.push({ type: 'tool-call-end', index, id, name: call.name, arguments: call.arguments })
  }

  function finish(reason: FinishReason, stopSequence: string | undefined, out: StreamEvent[]): void {
    const cut = isCut(reason)
    start(out)
    closeAll(out, cut)
    sendBetween(out)
    close(out, cut)
    if (over) return
    if (waiting.size > 0 && !cut) {
      fail(new GatewayError('upstream-malformed', 'The model called a tool without naming it. Try again.'), out)
      return
    }
    over = true
    out.push({
      type: 'message-end',
      reason: calls > 0 && reason === 'stop' ? 'tool-calls' : reason,
      ...(stopSequence === undefined ? {} : { stopSequence }),
      usage: usage ?? estimate.usage(),
    })
  }

  function fail(error: GatewayError, out: StreamEvent[]): void {
    start(out)
    over = true
    out.push({ type: 'error', error, ...(usage === undefined ? {} : { usage }) })
  }
}

function truncated(): GatewayError {
  return new GatewayError('upstream-truncated', 'The upstream closed the stream before the answer was complete.')
}

function brokenCall(name: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that are not a JSON object. Try again.`,
  )
}
