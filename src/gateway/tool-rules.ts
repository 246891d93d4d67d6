import { GatewayError } from '../core/errors.ts'
import type { Delta, FinishReason } from '../core/events.ts'
import type { ToolChoice } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'

export interface ToolRules {
  choice: ToolChoice
  parallel: boolean
  /** The reply has to hold a call. */
  mustCall: boolean
  annotate: (note: string) => void
}

type CallDelta = Extract<Delta, { type: 'tool-call' }>

/**
 * Keeps the promises of `tool_choice` and `parallel_tool_calls`, which upstreams take as advice.
 *
 * With `none` no call comes through, with a name only calls of it, without `parallel` only the first one; the others
 * are dropped, and the log says how many. Where a call must come, text waits for it: a reply that ends without one is
 * the error `tool_choice_not_honoured`, of which the client has seen nothing but thinking. A reply cut for length or
 * content says so by its reason and passes.
 */
export function toolRules({ choice, parallel, mustCall, annotate }: ToolRules): Transform<Delta, Delta> {
  const verdicts = new Map<string, 'kept' | 'dropped'>()
  // Pieces of calls whose name has not come yet.
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
      const verdict = mayCome(delta.name) ? 'kept' : 'dropped'
      verdicts.set(delta.key, verdict)
      if (verdict === 'kept') kept++
    }
    if (verdicts.get(delta.key) === 'dropped') return
    release(out)
    out.push(...waiting, delta)
  }

  function mayCome(name: string): boolean {
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
    // Whoever stands behind this decides what a call without a name is; where none may come, it is none.
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

/** Cut replies may lack the call for a reason of their own. */
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
