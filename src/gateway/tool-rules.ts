import { GatewayError } from '../core/errors.ts'
import type { Delta, FinishReason } from '../core/events.ts'
import type { ToolChoice } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'

export interface ToolRules {
  choice: ToolChoice
  parallel: boolean
  /** The reply has to contain a call. */
  mustCall: boolean
  annotate: (note: string) => void
}

type CallDelta = Extract<Delta, { type: 'tool-call' }>

/**
 * Enforces `tool_choice` and `parallel_tool_calls`, which upstreams may ignore.
 *
 * With choice `none` all calls are dropped, with a named tool the calls of other tools, and without `parallel` all but
 * the first call. The number of dropped calls is logged. If a call is required, text is held back until it comes: a
 * reply that ends without one becomes the error `tool_choice_not_honoured`, and the client has received at most its
 * reasoning. A reply that was cut, for length or by the content filter, passes with that reason.
 */
export function toolRules({ choice, parallel, mustCall, annotate }: ToolRules): Transform<Delta, Delta> {
  const verdicts = new Map<string, 'kept' | 'dropped'>()
  // The deltas of calls whose name is not known yet.
  const unnamed = new Map<string, CallDelta[]>()
  let kept = 0
  let held = ''

  return {
    push(delta, out) {
      switch (delta.type) {
        case 'tool-call':
          call(delta, out)
          break
        case 'text':
          if (mustCall && kept === 0) held += delta.text
          else out.push(delta)
          break
        case 'finish':
          finish(delta, out)
          break
        case 'reasoning':
        case 'server-tool':
        case 'usage':
        case 'error':
          out.push(delta)
          break
        default:
          delta satisfies never
      }
    },
    end() {},
    passthrough: (kind) => kind === 'reasoning' || !mustCall || kept > 0,
  }

  function call(delta: CallDelta, out: Delta[]): void {
    const waiting = unnamed.get(delta.key) ?? []
    if (!verdicts.has(delta.key)) {
      if (!delta.name) {
        unnamed.set(delta.key, [...waiting, delta])
        return
      }
      unnamed.delete(delta.key)
      const verdict = isAllowed(delta.name) ? 'kept' : 'dropped'
      verdicts.set(delta.key, verdict)
      if (verdict === 'kept') kept++
    }
    if (verdicts.get(delta.key) === 'dropped') return
    release(out)
    out.push(...waiting, delta)
  }

  function isAllowed(name: string): boolean {
    if (choice === 'none' || (typeof choice === 'object' && choice.name !== name)) return false
    return parallel || kept === 0
  }

  function finish(delta: Extract<Delta, { type: 'finish' }>, out: Delta[]): void {
    const dropped = verdicts.size - kept
    if (dropped > 0) annotate(`${dropped} tool call(s) dropped: ${reasonToDrop()}`)
    if (mustCall && kept === 0 && isWhole(delta.reason)) {
      out.push({ type: 'error', error: notHonoured(choice) })
      return
    }
    release(out)
    // Calls without a name are passed on, and the stream normaliser handles them. With choice `none` they are dropped.
    if (choice !== 'none') for (const pieces of unnamed.values()) out.push(...pieces)
    out.push(dropped > 0 && kept === 0 && delta.reason === 'tool-calls' ? { type: 'finish', reason: 'stop' } : delta)
  }

  function reasonToDrop(): string {
    if (choice === 'none') return 'tool_choice is none'
    return parallel ? 'tool_choice names another tool' : 'parallel_tool_calls is false'
  }

  function release(out: Delta[]): void {
    if (held !== '') out.push({ type: 'text', text: held })
    held = ''
  }
}

/** Whether the reply is complete. A reply that was cut may lack the call for that reason. */
function isWhole(reason: FinishReason): boolean {
  return reason === 'stop' || reason === 'tool-calls'
}

function notHonoured(choice: ToolChoice): GatewayError {
  const wanted = typeof choice === 'object' ? `the tool ${choice.name}` : 'a tool'
  return new GatewayError(
    'upstream-malformed',
    `The model was told to call ${wanted} and answered without a call. Try again, or leave tool_choice at auto.`,
    { code: 'tool_choice_not_honoured', param: 'tool_choice' },
  )
}
