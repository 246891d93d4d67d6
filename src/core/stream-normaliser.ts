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
import type { Transform } from './transform.ts'

export interface NormaliserOptions {
  newToolCallId: () => string
  /** Estimate of the prompt: reported at the start of the message, and at its end if the upstream sends no usage. */
  inputTokens: number
  countTokens: (text: string) => number
}

type OpenBlock = { kind: TextKind; index: number; text: string }
type OpenCall = {
  kind: 'tool-call'
  key: string
  index: number
  id: string
  name: string
  arguments: string
  /** Length of the arguments when they were last found to be no object. */
  unfinishedAt: number
}
/** A call that cannot open yet: another call is still open, or its name has not arrived. */
type WaitingCall = { id: string | undefined; name: string; arguments: string }

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
  let started = false
  let over = false
  let open: OpenBlock | OpenCall | undefined
  let nextIndex = 0
  let calls = 0
  let usage: Usage | undefined
  // Counted while blocks close, for upstreams that never send usage.
  let estimatedOutput = 0
  let estimatedReasoning = 0
  // Line breaks at the beginning of a block, held back until a word follows: a block of line breaks alone is not
  // opened.
  let leading = ''
  let leadingKind: TextKind | undefined
  let hasText = false
  const waiting = new Map<string, WaitingCall>()
  const closed = new Set<string>()
  // Text that arrived between the pieces of calls. It is sent after the calls.
  const between: { kind: TextKind; text: string }[] = []
  // Total length of the arguments when they were last found incomplete.
  let unfinishedAt = 0

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
      if (!over)
        fail(
          new GatewayError('upstream-truncated', 'The upstream closed the stream before the answer was complete.'),
          out,
        )
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
      return
    }
    if (areCallsUnfinished()) {
      holdBetween(kind, text)
      return
    }
    if (between.length > 0) {
      holdBetween(kind, text)
      textBetween(out)
      return
    }
    if (leadingKind !== kind) {
      leading = ''
      leadingKind = kind
    }
    leading += text
    const first = leading.search(/[^\r\n]/)
    if (first < 0) return
    // Later text blocks keep their line breaks: clients that join blocks would lose a paragraph otherwise.
    const textStart = kind === 'reasoning' || !hasText ? leading.slice(first) : leading
    leading = ''
    leadingKind = undefined
    close(out)
    flushWaiting(out)
    if (over) return
    open = { kind, index: nextIndex++, text: textStart }
    if (kind === 'text') hasText = true
    out.push(
      { type: `${kind}-start`, index: open.index },
      { type: `${kind}-delta`, index: open.index, text: textStart },
    )
  }

  /** Some call has incomplete arguments. Arguments that have not grown since the last check are not parsed again. */
  function areCallsUnfinished(): boolean {
    if (open?.kind !== 'tool-call' && waiting.size === 0) return false
    const begun = [...(open?.kind === 'tool-call' ? [open] : []), ...waiting.values()].map((call) => call.arguments)
    const length = begun.reduce((sum, text) => sum + text.length, 0)
    if (length === unfinishedAt) return length > 0
    if (begun.every((text) => text === '' || isRecord(parseJson(text)))) return false
    unfinishedAt = length
    return true
  }

  function holdBetween(kind: TextKind, text: string): void {
    const last = between.at(-1)
    if (last?.kind === kind) last.text = appendText(last.text, text)
    else between.push({ kind, text })
  }

  function textBetween(out: StreamEvent[]): void {
    for (const { kind, text } of between.splice(0)) if (!over) textDelta(kind, text, out)
  }

  function toolCall(delta: Extract<Delta, { type: 'tool-call' }>, out: StreamEvent[]): void {
    if (closed.has(delta.key)) return
    start(out)
    const piece = delta.arguments ?? ''
    if (open?.kind === 'tool-call' && open.key === delta.key) {
      if (piece === '') return
      open.arguments = appendText(open.arguments, piece)
      out.push({ type: 'tool-call-delta', index: open.index, text: piece })
      return
    }
    const call = waiting.get(delta.key) ?? { id: undefined, name: '', arguments: '' }
    call.id ??= delta.id
    call.name ||= delta.name ?? ''
    call.arguments = appendText(call.arguments, piece)
    waiting.set(delta.key, call)
    // Another call is still open: this one waits until the arguments of that one are a complete object.
    if (open?.kind === 'tool-call' && !isWholeCall(open)) return
    if (call.name === '') return
    close(out)
    begin(delta.key, call, out)
  }

  /** Whether its arguments are an object. Those that have not grown since are not read again. */
  function isWholeCall(call: OpenCall): boolean {
    if (call.arguments.length === call.unfinishedAt) return false
    const isWhole = call.arguments.trimEnd().endsWith('}') && isRecord(parseJson(call.arguments))
    if (!isWhole) call.unfinishedAt = call.arguments.length
    return isWhole
  }

  /** The upstream's tool has already finished: its result is a whole block between the blocks around it. */
  function serverTool(tool: ServerTool, out: StreamEvent[]): void {
    start(out)
    close(out)
    flushWaiting(out)
    textBetween(out)
    close(out)
    if (over) return
    out.push({ type: 'server-tool', index: nextIndex++, tool })
  }

  function begin(key: string, call: WaitingCall, out: StreamEvent[]): void {
    waiting.delete(key)
    leading = ''
    leadingKind = undefined
    calls++
    open = {
      kind: 'tool-call',
      key,
      index: nextIndex++,
      id: call.id || options.newToolCallId(),
      name: call.name,
      arguments: call.arguments,
      unfinishedAt: -1,
    }
    out.push({ type: 'tool-call-start', index: open.index, id: open.id, name: open.name })
    if (call.arguments !== '') out.push({ type: 'tool-call-delta', index: open.index, text: call.arguments })
  }

  /** Closes the open block. With `cut`, the reply was cut for length, and a call may end with partial arguments. */
  function close(out: StreamEvent[], cut = false): void {
    if (!open || over) return
    const { index } = open
    switch (open.kind) {
      case 'text':
      case 'reasoning': {
        const tokens = usage ? 0 : options.countTokens(open.text)
        estimatedOutput += tokens
        if (open.kind === 'reasoning') estimatedReasoning += tokens
        out.push({ type: `${open.kind}-end`, index, text: open.text })
        break
      }
      case 'tool-call':
        closed.add(open.key)
        if (open.arguments === '') {
          open.arguments = '{}'
          out.push({ type: 'tool-call-delta', index, text: '{}' })
        } else if (!cut && !isRecord(parseJson(open.arguments))) {
          fail(brokenCall(open.name), out)
          return
        }
        if (!usage) estimatedOutput += options.countTokens(open.name) + options.countTokens(open.arguments)
        out.push({ type: 'tool-call-end', index, id: open.id, name: open.name, arguments: open.arguments })
        break
      default:
        open satisfies never
    }
    open = undefined
  }

  function flushWaiting(out: StreamEvent[], cut = false): void {
    for (const [key, call] of waiting) {
      if (call.name === '' || over) continue
      begin(key, call, out)
      close(out, cut)
    }
  }

  function finish(reason: FinishReason, stopSequence: string | undefined, out: StreamEvent[]): void {
    const cut = isCut(reason)
    start(out)
    close(out, cut)
    flushWaiting(out, cut)
    textBetween(out)
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
      usage: usage ?? {
        inputTokens: options.inputTokens,
        outputTokens: estimatedOutput,
        ...(estimatedReasoning > 0 ? { reasoningTokens: estimatedReasoning } : {}),
      },
    })
  }

  function fail(error: GatewayError, out: StreamEvent[]): void {
    start(out)
    over = true
    out.push({ type: 'error', error, ...(usage === undefined ? {} : { usage }) })
  }
}

function brokenCall(name: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that are not a JSON object. Try again.`,
  )
}
