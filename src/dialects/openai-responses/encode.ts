import { type Citation, citationFinder } from '../../core/citations.ts'
import type { FinishReason, Reply, ReplyBlock, TextKind, Usage } from '../../core/events.ts'
import type { McpItem } from '../../core/mcp.ts'
import type { Encoder, ReplyHead, TextWriter } from '../../core/reply-encoder.ts'
import { jsonEscape, sseMessage } from '../../core/sse.ts'
import { type RunningInput, runningInput } from '../openai/custom-input.ts'
import { isCompaction } from './compaction.ts'
import type { Echo } from './echo.ts'
import { failure } from './errors.ts'
import {
  annotation,
  type Item,
  itemKey,
  outputItems,
  outputText,
  reasoningPart,
  summaryPart,
  textPart,
} from './items.ts'
import { mcpEndEvent, mcpItemId, mcpStartEvents } from './mcp-items.ts'
import type { ItemBody } from './schema.ts'
import { storedItem } from './stored-item.ts'
import type { ToolOrigin } from './tools.ts'

export interface ResponsesOptions {
  echo: Echo
  /** The client's tools by the names that they were offered under. */
  origins: [offered: string, ToolOrigin][]
  /** The client wants reasoning as summaries; otherwise it is the `content` of its item. */
  summarises: boolean
  /** The client stores the reasoning itself, and needs it in a form that it can send back. */
  sealsReasoning: boolean
  /** The client wants the pages of a search in its item. */
  listsSources: boolean
  /** The whole conversation, for the store. */
  input: ItemBody[]
  /** The conversation that the reply is added to, and the number of items that are in it already. */
  conversation?: { id: string; length: number } | undefined
  /** The text of the reply is a summary that replaces the conversation, but for the items that are kept. */
  compaction?: { kept: ItemBody[] | undefined } | undefined
}

type Ending = { status: 'completed' | 'in_progress' | 'queued' | 'failed' } | { status: 'incomplete'; reason: string }

const endingOf = {
  stop: { status: 'completed' },
  'stop-sequence': { status: 'completed' },
  length: { status: 'incomplete', reason: 'max_output_tokens' },
  'context-window': { status: 'incomplete', reason: 'max_output_tokens' },
  'tool-calls': { status: 'completed' },
  'content-filter': { status: 'incomplete', reason: 'content_filter' },
} satisfies Record<FinishReason, Ending>

/**
 * Encodes stream events as those of the Responses API, numbered from 0: `response.created`, `response.in_progress`, for
 * each block `response.output_item.added … response.output_item.done`, and `response.completed`, `response.incomplete`
 * or `response.failed` with the whole response. There is no `[DONE]`, as in the official API.
 */
export function encoder(head: ReplyHead, options: ResponsesOptions): Encoder {
  const items = outputItems(head, options)
  const output: Item[] = []
  let number = 0
  let started = false
  // An item is done when the next event shows that the reply was not cut inside it.
  let last: { index: number; block: ReplyBlock } | undefined
  // Each delta costs one JSON.stringify of its text, because the text around it is the same for the whole block.
  let beforeNumber = ''
  let beforeText = ''
  let call: RunningCall = { kind: 'whole' }
  const pages = citationFinder()
  let cited: Citation[] = []
  let textIndex = 0
  const write = (pieces: readonly string[]) => pieces.map(delta).join('')
  const writers: Record<TextKind, TextWriter> = {
    text: {
      kind: 'text',
      write,
      account(text, out) {
        for (const citation of pages.push(text)) cite(textIndex, citation, out)
      },
    },
    reasoning: { kind: 'reasoning', write, account() {} },
  }
  let searched = false
  let writer: TextWriter | undefined

  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start':
          start(out)
          break
        case 'reasoning-start': {
          const at = open(event.index, { type: 'reasoning', text: '' }, out)
          if (options.summarises) {
            out.push(named('response.reasoning_summary_part.added', { ...at, summary_index: 0, part: summaryPart('') }))
            deltas('response.reasoning_summary_text.delta', { ...at, summary_index: 0 })
          } else {
            out.push(named('response.content_part.added', { ...at, content_index: 0, part: reasoningPart('') }))
            deltas('response.reasoning_text.delta', { ...at, content_index: 0 })
          }
          break
        }
        case 'text-start': {
          const at = open(event.index, { type: 'text', text: '' }, out)
          if (options.compaction) break
          out.push(named('response.content_part.added', { ...at, content_index: 0, part: textPart('') }))
          deltas('response.output_text.delta', { ...at, content_index: 0, logprobs: [] })
          pages.restart()
          cited = []
          textIndex = event.index
          break
        }
        case 'tool-call-start': {
          call = runningCall(items.originOf(event.name))
          if (call.kind === 'whole') break
          const at = open(event.index, { type: 'tool-call', id: event.id, name: event.name, arguments: '' }, out)
          if (call.kind === 'function') deltas('response.function_call_arguments.delta', at)
          if (call.kind === 'custom') deltas('response.custom_tool_call_input.delta', at)
          break
        }
        case 'reasoning-delta':
          out.push(delta(jsonEscape(event.text)))
          writer = writers.reasoning
          break
        case 'text-delta':
          if (options.compaction) break
          out.push(delta(jsonEscape(event.text)))
          // Citations follow the piece of text in which they were found.
          writer = searched ? undefined : writers.text
          writers.text.account(event.text, out)
          break
        case 'tool-call-delta':
          if (call.kind === 'function') out.push(delta(jsonEscape(event.text)))
          if (call.kind === 'custom') inputDelta(call.input.push(event.text), out)
          break
        case 'reasoning-end': {
          const at = position(event.index, 'reasoning')
          if (options.summarises)
            out.push(
              named('response.reasoning_summary_text.done', { ...at, summary_index: 0, text: event.text }),
              named('response.reasoning_summary_part.done', { ...at, summary_index: 0, part: summaryPart(event.text) }),
            )
          else
            out.push(
              named('response.reasoning_text.done', { ...at, content_index: 0, text: event.text }),
              named('response.content_part.done', { ...at, content_index: 0, part: reasoningPart(event.text) }),
            )
          last = { index: event.index, block: { type: 'reasoning', text: event.text } }
          break
        }
        case 'text-end': {
          last = { index: event.index, block: { type: 'text', text: event.text } }
          if (options.compaction) break
          const at = { ...position(event.index, 'text'), content_index: 0 }
          out.push(
            named('response.output_text.done', { ...at, text: event.text, logprobs: [] }),
            named('response.content_part.done', { ...at, part: textPart(event.text, cited) }),
          )
          break
        }
        case 'tool-call-end': {
          const { index, id, name, arguments: args } = event
          const block: ReplyBlock = { type: 'tool-call', id, name, arguments: args }
          if (call.kind === 'whole') open(index, block, out)
          else endCall(index, block, out)
          last = { index, block }
          break
        }
        case 'server-tool': {
          const { type: _, index, tool } = event
          const at = open(index, { type: 'server-tool', tool }, out)
          out.push(
            named('response.web_search_call.in_progress', at),
            named('response.web_search_call.searching', at),
            named('response.web_search_call.completed', at),
          )
          pages.learn(tool.sources)
          searched = true
          last = { index, block: { type: 'server-tool', tool } }
          settle('completed', out)
          break
        }
        case 'mcp-start': {
          const { index, item } = event
          open(index, { type: 'mcp', item }, out)
          for (const [type, rest] of mcpStartEvents(item, mcpPosition(index, item))) out.push(named(type, rest))
          break
        }
        case 'mcp-end': {
          const { index, item } = event
          const type = mcpEndEvent(item)
          if (type) out.push(named(type, mcpPosition(index, item)))
          last = { index, block: { type: 'mcp', item } }
          settle('completed', out)
          break
        }
        case 'message-end': {
          const ending = endingOf[event.reason]
          settle(ending.status, out)
          const whole = response(head, options, ending, output, event.usage)
          out.push(named(`response.${ending.status}`, { response: whole }))
          break
        }
        case 'error': {
          start(out)
          settle('completed', out)
          const error = failure(event.error)
          const whole = { ...response(head, options, { status: 'failed' }, output), error }
          out.push(named('response.failed', { response: whole }))
          break
        }
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: () => writer,
  }

  function start(out: string[]): void {
    if (started) return
    started = true
    const whole = response(head, options, { status: 'in_progress' }, [])
    out.push(named('response.created', { response: whole }), named('response.in_progress', { response: whole }))
  }

  function open(index: number, block: ReplyBlock, out: string[]): object {
    settle('completed', out)
    out.push(named('response.output_item.added', { output_index: index, item: items.started(index, block) }))
    return position(index, block.type, block.type === 'tool-call' ? block.name : undefined)
  }

  function settle(status: 'completed' | 'incomplete', out: string[]): void {
    if (!last) return
    const item = items.item(last.index, last.block, status)
    output.push(item)
    out.push(named('response.output_item.done', { output_index: last.index, item }))
    last = undefined
  }

  function endCall(index: number, { name, arguments: args }: { name: string; arguments: string }, out: string[]): void {
    const at = position(index, 'tool-call', name)
    if (call.kind === 'function') {
      const called = items.originOf(name)
      const own = 'name' in called ? called.name : name
      out.push(named('response.function_call_arguments.done', { ...at, name: own, arguments: args }))
    }
    if (call.kind === 'custom') {
      const { input, rest } = call.input.end(args)
      inputDelta(rest, out)
      out.push(named('response.custom_tool_call_input.done', { ...at, input }))
    }
  }

  function cite(index: number, citation: Citation, out: string[]): void {
    const at = { ...position(index, 'text'), content_index: 0, annotation_index: cited.length }
    cited.push(citation)
    out.push(named('response.output_text.annotation.added', { ...at, annotation: annotation(citation) }))
  }

  function inputDelta(text: string, out: string[]): void {
    if (text !== '') out.push(delta(jsonEscape(text)))
  }

  function position(index: number, type: ReplyBlock['type'], name?: string): object {
    return { item_id: items.idOf(index, type, name), output_index: index }
  }

  function mcpPosition(index: number, item: McpItem): object {
    return { item_id: mcpItemId(item, itemKey(head.id, index)), output_index: index }
  }

  function deltas(type: string, at: object): void {
    beforeNumber = `event: ${type}\ndata: {"type":"${type}","sequence_number":`
    beforeText = `,${JSON.stringify(at).slice(1, -1)},"delta":"`
  }

  function delta(piece: string): string {
    return `${beforeNumber}${number++}${beforeText}${piece}"}\n\n`
  }

  function named(type: string, rest: object): string {
    return sseMessage(JSON.stringify({ type, sequence_number: number++, ...rest }), type)
  }
}

/**
 * How the arguments of the open call are sent: as they arrive, as the text inside, or in an item that is sent whole.
 */
type RunningCall = { kind: 'function' | 'whole' } | { kind: 'custom'; input: RunningInput }

function runningCall(origin: ToolOrigin): RunningCall {
  switch (origin.type) {
    case 'function':
      return { kind: 'function' }
    case 'custom':
      return { kind: 'custom', input: runningInput() }
    case 'local_shell':
    case 'shell':
    case 'apply_patch':
    case 'tool_search':
      return { kind: 'whole' }
    default:
      return origin satisfies never
  }
}

/** The response with which a stream would have ended. */
export function encodeReply(head: ReplyHead, reply: Reply, options: ResponsesOptions): Record<string, unknown> {
  const items = outputItems(head, options)
  const ending = endingOf[reply.reason]
  const output = reply.blocks.map((block, index) =>
    items.item(index, block, index === reply.blocks.length - 1 ? ending.status : 'completed'),
  )
  if (options.compaction?.kept) return compactedConversation(head, options.compaction.kept, output, reply.usage)
  return response(head, options, ending, output, reply.usage)
}

export function queuedResponse(head: ReplyHead, options: ResponsesOptions): Record<string, unknown> {
  return response(head, options, { status: 'queued' }, [])
}

/** Reasoning is left out: clients send everything back. */
function compactedConversation(
  head: ReplyHead,
  kept: readonly ItemBody[],
  output: readonly Item[],
  usage: Usage,
): Record<string, unknown> {
  return {
    id: head.id,
    object: 'response.compaction',
    created_at: head.createdAtSeconds,
    output: [
      ...kept.map((item, index) => storedItem(item, itemKey(head.id, `i${index}`))),
      ...output.filter(isCompaction),
    ],
    usage: usageOf(usage),
  }
}

/** Tokens are counted only when a reply is complete. */
const nothingUsed: Usage = { inputTokens: 0, outputTokens: 0 }

/** Has every member that the type of SDK 7.59 and the schema of Open Responses require. */
function response(
  head: ReplyHead,
  options: ResponsesOptions,
  ending: Ending,
  output: Item[],
  usage: Usage = nothingUsed,
): Record<string, unknown> {
  return {
    id: head.id,
    object: 'response',
    created_at: head.createdAtSeconds,
    completed_at: ending.status === 'completed' ? head.completedAtSeconds() : null,
    status: ending.status,
    error: null,
    incomplete_details: ending.status === 'incomplete' ? { reason: ending.reason } : null,
    model: head.model,
    output,
    output_text: outputText(output),
    usage: usageOf(usage),
    ...options.echo,
    temperature: options.echo.temperature ?? head.defaultTemperature ?? usualTemperature,
  }
}

/** The temperature for a model whose default is unknown: that of all models from GLM-4.6 on. */
const usualTemperature = 1

function usageOf(usage: Usage): object {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0, cache_write_tokens: 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}
