import type { StreamEvent, Usage } from '../core/events.ts'
import { isCut } from '../core/events.ts'
import type { McpItem, McpStep } from '../core/mcp.ts'
import type { AssistantPart } from '../core/request.ts'
import type { HostedTools } from './hosted-tools.ts'

/** The content of a round, which becomes part of the conversation of the next one. */
export interface McpRound {
  /** Reasoning and text. */
  parts: AssistantPart[]
  /** Calls of servers' tools that need no approval. */
  calls: { id: string; name: string; arguments: string }[]
  /** The round has ended, and its calls have to be run. */
  isOver: boolean
  /** No round follows, because the client has to run or approve a call. */
  isLast: boolean
}

export interface ReplyAssembler {
  /** Takes an event of the current round. */
  push(event: StreamEvent, out: StreamEvent[]): void
  step(step: McpStep, out: StreamEvent[]): void
  round(): McpRound
  /** Ends the reply, after the calls of its last round have been run. */
  finish(out: StreamEvent[]): void
  /**
   * Begins the next round. `isWithheld`: no tools of servers are offered in it, and calls of such tools are dropped.
   */
  begin(isWithheld: boolean): void
  /** The output tokens of the rounds that are over. */
  outputTokens(): number
}

type MessageEnd = Extract<StreamEvent, { type: 'message-end' }>

export interface AssemblerOptions {
  hosted: Pick<HostedTools, 'toolOf' | 'prelude'>
  maxTokens: number | undefined
}

/**
 * Makes the events of one reply from those of its rounds: one start, consecutive indexes of blocks, and one end with
 * the usage of all rounds. Calls of servers' tools are removed.
 */
export function replyAssembler({ hosted, maxTokens }: AssemblerOptions): ReplyAssembler {
  let round = newRound()
  let isWithheld = false
  let started = false
  let nextIndex = 0
  let used: Usage | undefined
  let approvals: McpItem[] = []
  let clientCalls = 0
  let ending: MessageEnd | undefined
  // The events of a call of a server's tool are arriving.
  let isHidden = false

  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start':
          start(event, out)
          break
        case 'text-start':
        case 'reasoning-start':
        case 'server-tool':
          nextIndex++
          out.push(numbered(event))
          break
        case 'text-delta':
        case 'reasoning-delta':
          out.push(numbered(event))
          break
        case 'text-end':
        case 'reasoning-end':
          round.parts.push({ type: event.type === 'text-end' ? 'text' : 'reasoning', text: event.text })
          out.push(numbered(event))
          break
        case 'tool-call-start':
          isHidden = hosted.toolOf(event.name) !== undefined
          if (isHidden) break
          clientCalls++
          nextIndex++
          out.push(numbered(event))
          break
        case 'tool-call-delta':
          if (!isHidden) out.push(numbered(event))
          break
        case 'tool-call-end':
          if (isHidden) take(event)
          else out.push(numbered(event))
          isHidden = false
          break
        case 'message-end':
          end(event, out)
          break
        case 'error': {
          const usage = event.usage ? sumOf(used, event.usage) : used
          out.push(usage ? { ...event, usage } : event)
          break
        }
        case 'mcp-start':
        case 'mcp-end':
          break // no upstream has them
        default:
          event satisfies never
      }
    },
    step({ type, item }, out) {
      if (type === 'mcp-start') nextIndex++
      out.push({ type, item, index: nextIndex - 1 })
    },
    round: () => round,
    finish,
    begin(withheld) {
      round = newRound()
      isWithheld = withheld
    },
    outputTokens: () => used?.outputTokens ?? 0,
  }

  function start(event: StreamEvent, out: StreamEvent[]): void {
    if (started) return
    started = true
    out.push(event)
    for (const item of hosted.prelude()) show(item, out)
  }

  function show(item: McpItem, out: StreamEvent[]): void {
    const index = nextIndex++
    out.push({ type: 'mcp-start', item: begun(item), index }, { type: 'mcp-end', item, index })
  }

  function numbered<Event extends { index: number }>(event: Event): Event {
    return event.index === nextIndex - 1 ? event : { ...event, index: nextIndex - 1 }
  }

  function take({ id, name, arguments: args }: Extract<StreamEvent, { type: 'tool-call-end' }>): void {
    const found = hosted.toolOf(name)
    if (found === undefined || isWithheld) return
    if (found.needsApproval)
      approvals.push({ type: 'approval', server: found.server.label, tool: found.tool.name, arguments: args })
    else round.calls.push({ id, name, arguments: args })
  }

  function end(event: MessageEnd, out: StreamEvent[]): void {
    used = sumOf(used, event.usage)
    // If the reply was cut, its last call may be incomplete.
    const isOver = isCut(event.reason) || event.reason === 'content-filter'
    if (isOver) approvals = []
    const isLast = clientCalls > 0 || approvals.length > 0
    const isUsedUp = !isLast && maxTokens !== undefined && used.outputTokens >= maxTokens
    ending = event
    if (round.calls.length === 0 || isOver) finish(out)
    else if (isUsedUp) out.push({ ...event, reason: 'length', usage: used })
    else round = { ...round, isOver: true, isLast }
  }

  function finish(out: StreamEvent[]): void {
    if (ending === undefined) return
    for (const item of approvals) show(item, out)
    const reason = ending.reason === 'tool-calls' && clientCalls === 0 ? 'stop' : ending.reason
    out.push({ ...ending, reason, usage: used ?? ending.usage })
  }
}

function begun(item: McpItem): McpItem {
  if (item.type !== 'call') return item
  const { result: _, ...call } = item
  return call
}

function newRound(): McpRound {
  return { parts: [], calls: [], isOver: false, isLast: false }
}

function sumOf(one: Usage | undefined, other: Usage): Usage {
  if (one === undefined) return other
  const sum = (key: 'cachedInputTokens' | 'reasoningTokens') =>
    one[key] === undefined && other[key] === undefined ? {} : { [key]: (one[key] ?? 0) + (other[key] ?? 0) }
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    ...sum('cachedInputTokens'),
    ...sum('reasoningTokens'),
  }
}
