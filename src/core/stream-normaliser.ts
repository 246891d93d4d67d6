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
  /** Estimate for the start of the message, and for its end where the upstream never counts. */
  inputTokens: number
  countTokens: (text: string) => number
}

type OpenBlock = { kind: TextKind; index: number; text: string }
type OpenCall = { kind: 'tool-call'; key: string; index: number; id: string; name: string; arguments: string }
/** A call that waits for its turn, or for its name. */
type WaitingCall = { id: string | undefined; name: string; arguments: string }

/**
 * Turns whatever an upstream says into a stream every dialect can trust.
 *
 * Keeps, for everyone: start first; one block open at a time, so interleaved tool calls are lined up (SDK
 * helpers hand out the *last* block on each delta); a block opens only when it has something to hold; every end
 * carries the full text; exactly one terminal event, sent when the upstream says it is done and not when its
 * socket closes; a stream that stops without `finish` ends in an error, never in a polite end; no call without a
 * name or with arguments that are no JSON object ends as success, or ends at all.
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
  // Line breaks before the first word of a block: kept back, because a block of line breaks is no block.
  let leading = ''
  let leadingKind: TextKind | undefined
  let hasText = false
  const waiting = new Map<string, WaitingCall>()
  const closed = new Set<string>()
  // What came between the pieces of calls: it follows the calls.
  const between: { kind: TextKind; text: string }[] = []
  // Length of the arguments when they were last found unfinished.
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
      open.text += text
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

  /** Arguments have begun and have not ended. Those that have not grown are not read again. */
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
    if (last?.kind === kind) last.text += text
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
      open.arguments += piece
      out.push({ type: 'tool-call-delta', index: open.index, text: piece })
      return
    }
    const call = waiting.get(delta.key) ?? { id: undefined, name: '', arguments: '' }
    call.id ??= delta.id
    call.name ||= delta.name ?? ''
    call.arguments += piece
    waiting.set(delta.key, call)
    // Another call is still open: it keeps the floor until its arguments are a whole value.
    if (open?.kind === 'tool-call' && !isRecord(parseJson(open.arguments))) return
    if (call.name === '') return
    close(out)
    begin(delta.key, call, out)
  }

  /** Ran and over: it stands between the blocks around it. */
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
    }
    out.push({ type: 'tool-call-start', index: open.index, id: open.id, name: open.name })
    if (call.arguments !== '') out.push({ type: 'tool-call-delta', index: open.index, text: call.arguments })
  }

  /** A reply cut for length may end inside a call, and says so by its reason. */
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
    out.push({ type: 'error', error })
  }
}

function brokenCall(name: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model called the tool ${name} with arguments that are not a JSON object. Try again.`,
  )
}
