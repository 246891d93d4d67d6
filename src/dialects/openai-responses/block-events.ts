import { type Citation, citationFinder } from '../../core/citations.ts'
import type { ReplyBlock, StreamEvent, WebSource } from '../../core/events.ts'
import type { McpItem } from '../../core/mcp.ts'
import { jsonEscape } from '../../core/sse.ts'
import { type RunningInput, runningInput } from '../openai/custom-input.ts'
import type { EventWriter } from './event-writer.ts'
import type { ItemEvents } from './item-events.ts'
import { annotation, itemKey, type OutputItems, reasoningPart, summaryPart, textPart } from './items.ts'
import { mcpEndEvent, mcpItemId, mcpStartEvents } from './mcp-items.ts'
import type { ToolOrigin } from './tools.ts'

/** The member of the union that an event of this type belongs to; some members have two types. */
type Event<Type extends StreamEvent['type'], Member = StreamEvent> = Member extends { type: infer Types }
  ? Type extends Types
    ? Member
    : never
  : never

/** Reasoning is sent as a summary, or as the content of its item. */
const reasoningForms = {
  summary: {
    position: { summary_index: 0 },
    text: 'response.reasoning_summary_text',
    part: 'response.reasoning_summary_part',
    partOf: summaryPart,
  },
  content: {
    position: { content_index: 0 },
    text: 'response.reasoning_text',
    part: 'response.content_part',
    partOf: reasoningPart,
  },
}

/** The events of a block of reasoning. */
export function reasoningEvents(form: keyof typeof reasoningForms, items: ItemEvents, writer: EventWriter) {
  const { position, text, part, partOf } = reasoningForms[form]
  return {
    start({ index }: Event<'reasoning-start'>, out: string[]): void {
      const at = { ...items.open(index, { type: 'reasoning', text: '' }, out), ...position }
      out.push(writer.event(`${part}.added`, { ...at, part: partOf('') }))
      writer.beginDeltas(`${text}.delta`, at)
    },
    end({ index, text: whole }: Event<'reasoning-end'>, out: string[]): void {
      const at = { ...items.position(index, 'reasoning'), ...position }
      out.push(
        writer.event(`${text}.done`, { ...at, text: whole }),
        writer.event(`${part}.done`, { ...at, part: partOf(whole) }),
      )
      items.end(index, { type: 'reasoning', text: whole })
    },
  }
}

/** The events of a block of text, with the citations in it. */
export function textEvents(items: ItemEvents, writer: EventWriter) {
  const pages = citationFinder()
  // The citations in the open block.
  let cited: Citation[] = []
  let openIndex = 0

  return {
    /** Later text may cite these pages. */
    learn: (sources: readonly WebSource[]): void => pages.learn(sources),
    start({ index }: Event<'text-start'>, out: string[]): void {
      const at = { ...items.open(index, { type: 'text', text: '' }, out), content_index: 0 }
      out.push(writer.event('response.content_part.added', { ...at, part: textPart('') }))
      writer.beginDeltas('response.output_text.delta', { ...at, logprobs: [] })
      pages.restart()
      cited = []
      openIndex = index
    },
    /** Sends the citations that are complete with this text. */
    cite(text: string, out: string[]): void {
      for (const citation of pages.push(text)) {
        const at = { ...items.position(openIndex, 'text'), content_index: 0, annotation_index: cited.length }
        cited.push(citation)
        out.push(writer.event('response.output_text.annotation.added', { ...at, annotation: annotation(citation) }))
      }
    },
    end({ index, text }: Event<'text-end'>, out: string[]): void {
      const at = { ...items.position(index, 'text'), content_index: 0 }
      out.push(
        writer.event('response.output_text.done', { ...at, text, logprobs: [] }),
        writer.event('response.content_part.done', { ...at, part: textPart(text, cited) }),
      )
      items.end(index, { type: 'text', text })
    },
  }
}

/** The events for calls and lists of an MCP server. */
export function mcpEvents(replyId: string, items: ItemEvents, writer: EventWriter) {
  const position = ({ index, item }: { index: number; item: McpItem }) => ({
    item_id: mcpItemId(item, itemKey(replyId, index)),
    output_index: index,
  })
  return {
    start(event: Event<'mcp-start'>, out: string[]): void {
      const { index, item } = event
      items.open(index, { type: 'mcp', item }, out)
      for (const [type, members] of mcpStartEvents(item, position(event))) out.push(writer.event(type, members))
    },
    end(event: Event<'mcp-end'>, out: string[]): void {
      const { index, item } = event
      const type = mcpEndEvent(item)
      if (type) out.push(writer.event(type, position(event)))
      items.end(index, { type: 'mcp', item })
      items.endLastItem('completed', out)
    },
  }
}

/** How the arguments of the open call are sent: as they arrive, as the text inside, or in an item that is sent whole. */
type RunningCall = { kind: 'function' | 'whole' } | { kind: 'custom'; input: RunningInput }

/** The events of a call. */
export function callEvents(outputItems: OutputItems, items: ItemEvents, writer: EventWriter) {
  let call: RunningCall = { kind: 'whole' }

  return {
    start({ index, id, name }: Event<'tool-call-start'>, out: string[]): void {
      call = runningCall(outputItems.originOf(name))
      if (call.kind === 'whole') return
      const at = items.open(index, { type: 'tool-call', id, name, arguments: '' }, out)
      if (call.kind === 'function') writer.beginDeltas('response.function_call_arguments.delta', at)
      if (call.kind === 'custom') writer.beginDeltas('response.custom_tool_call_input.delta', at)
    },
    delta({ text }: Event<'tool-call-delta'>, out: string[]): void {
      if (call.kind === 'function') out.push(writer.delta(jsonEscape(text)))
      if (call.kind === 'custom') inputDelta(call.input.push(text), out)
    },
    end({ index, id, name, arguments: args }: Event<'tool-call-end'>, out: string[]): void {
      const block: ReplyBlock = { type: 'tool-call', id, name, arguments: args }
      if (call.kind === 'whole') items.open(index, block, out)
      else endDeltas(items.position(index, 'tool-call', name), block, out)
      items.end(index, block)
    },
  }

  function endDeltas(at: object, { name, arguments: args }: { name: string; arguments: string }, out: string[]): void {
    if (call.kind === 'function') {
      const called = outputItems.originOf(name)
      const own = 'name' in called ? called.name : name
      out.push(writer.event('response.function_call_arguments.done', { ...at, name: own, arguments: args }))
    }
    if (call.kind === 'custom') {
      const { input, rest } = call.input.end(args)
      inputDelta(rest, out)
      out.push(writer.event('response.custom_tool_call_input.done', { ...at, input }))
    }
  }

  function inputDelta(text: string, out: string[]): void {
    if (text !== '') out.push(writer.delta(jsonEscape(text)))
  }
}

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
