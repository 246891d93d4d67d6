import type { Reply, ReplyBlock, TextKind } from '../../core/events.ts'
import type { Encoder, ReplyHead, TextWriter } from '../../core/reply-encoder.ts'
import { jsonEscape } from '../../core/sse.ts'
import { callEvents, mcpEvents, reasoningEvents, textEvents } from './block-events.ts'
import { failure } from './errors.ts'
import { eventWriter } from './event-writer.ts'
import { itemEvents } from './item-events.ts'
import { outputItems } from './items.ts'
import { compactedConversation, endingOf, type ResponsesOptions, response } from './response.ts'

/**
 * Encodes stream events as those of the Responses API, numbered from 0: `response.created`, `response.in_progress`, for
 * each block `response.output_item.added … response.output_item.done`, and `response.completed`, `response.incomplete`
 * or `response.failed` with the whole response. There is no `[DONE]`, as in the official API.
 */
export function encoder(head: ReplyHead, options: ResponsesOptions): Encoder {
  const isCompacting = options.compaction !== undefined
  const writer = eventWriter()
  const { event: named, delta } = writer
  const blocks = outputItems(head, options)
  const items = itemEvents(blocks, writer)
  const reasoning = reasoningEvents(options.summarises ? 'summary' : 'content', items, writer)
  const text = textEvents(items, writer)
  const calls = callEvents(blocks, items, writer)
  const mcp = mcpEvents(head.id, items, writer)
  let started = false
  // Citations follow the piece of text in which they were found, so after a search, text needs events.
  let searched = false
  const write = (pieces: readonly string[]) => pieces.map(delta).join('')
  const writers: Record<TextKind, TextWriter> = {
    text: { kind: 'text', write, account: text.cite },
    reasoning: { kind: 'reasoning', write, account() {} },
  }
  let textWriter: TextWriter | undefined

  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start':
          start(out)
          break
        case 'reasoning-start':
          reasoning.start(event, out)
          break
        case 'reasoning-delta':
          out.push(delta(jsonEscape(event.text)))
          textWriter = writers.reasoning
          break
        case 'reasoning-end':
          writer.expectText(event.text)
          reasoning.end(event, out)
          break
        case 'text-start':
          // A compacted conversation is sent as a whole item.
          if (isCompacting) items.open(event.index, { type: 'text', text: '' }, out)
          else text.start(event, out)
          break
        case 'text-delta':
          if (isCompacting) break
          out.push(delta(jsonEscape(event.text)))
          textWriter = searched ? undefined : writers.text
          text.cite(event.text, out)
          break
        case 'text-end':
          writer.expectText(event.text)
          if (isCompacting) items.end(event.index, { type: 'text', text: event.text })
          else text.end(event, out)
          break
        case 'tool-call-start':
          calls.start(event, out)
          break
        case 'tool-call-delta':
          calls.delta(event, out)
          break
        case 'tool-call-end':
          writer.expectText(event.arguments)
          calls.end(event, out)
          break
        case 'server-tool':
          search(event.index, { type: 'server-tool', tool: event.tool }, out)
          text.learn(event.tool.sources)
          searched = true
          break
        case 'mcp-start':
          mcp.start(event, out)
          break
        case 'mcp-end':
          mcp.end(event, out)
          break
        case 'message-end': {
          const ending = endingOf[event.reason]
          items.endLastItem(ending.status, out)
          const whole = response(head, options, ending, items.output, event.usage)
          out.push(named(`response.${ending.status}`, { response: whole }))
          break
        }
        case 'error': {
          start(out)
          items.endLastItem('completed', out)
          const error = failure(event.error)
          const whole = { ...response(head, options, { status: 'failed' }, items.output), error }
          out.push(named('response.failed', { response: whole }))
          break
        }
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: () => textWriter,
  }

  function start(out: string[]): void {
    if (started) return
    started = true
    const whole = response(head, options, { status: 'in_progress' }, [])
    out.push(named('response.created', { response: whole }), named('response.in_progress', { response: whole }))
  }

  /** A search is reported when it has ended. */
  function search(index: number, block: ReplyBlock, out: string[]): void {
    const at = items.open(index, block, out)
    out.push(
      named('response.web_search_call.in_progress', at),
      named('response.web_search_call.searching', at),
      named('response.web_search_call.completed', at),
    )
    items.end(index, block)
    items.endLastItem('completed', out)
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
