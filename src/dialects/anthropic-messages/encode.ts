import { citationFinder } from '../../core/citations.ts'
import { decodeEchoed, encodeEchoed } from '../../core/echoed-text.ts'
import type { FinishReason, Reply, TextKind, Usage, WebSource } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import type { Encoder, ReplyHead, TextWriter } from '../../core/reply-encoder.ts'
import { jsonEscape, sseMessage, templateWriter } from '../../core/sse.ts'
import type { AppliedEdit } from './context-management.ts'
import { errorBody } from './errors.ts'
import { mcpBlocks, mcpResultBlock, mcpUse } from './mcp-blocks.ts'
import { thinkingProgress } from './thinking-progress.ts'
import { clientName, type Toolset } from './toolsets.ts'
import { citationOf, searchBlocks } from './web-search.ts'

export interface MessagesOptions {
  /** How reasoning is shown: not at all, as a signed block without its text, or in full. */
  thinking: 'hidden' | 'omitted' | 'shown'
  /** The client wants progress events for reasoning that is not shown. */
  countsHiddenReasoning?: true
  /** Toolsets that were offered. The client names their tools with the toolset. */
  toolsets?: Toolset[]
  /** What was removed from the conversation, if the client asked for that. */
  appliedEdits?: AppliedEdit[]
}

const stopReasonOf = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'context-window': 'model_context_window_exceeded',
  'tool-calls': 'tool_use',
  'content-filter': 'refusal',
} satisfies Record<FinishReason, string>

/**
 * Encodes stream events as those of the Messages API: `message_start ping (start delta* stop)* message_delta
 * message_stop`, or `error` as the last one. Blocks are counted here, because hidden reasoning has no index.
 */
export function encoder(head: ReplyHead, options: MessagesOptions): Encoder {
  const thinking = displayOf(head, options)
  const progress = thinkingProgress()
  const pages = citationFinder()
  let searches = 0
  // Each page is cited once in a block.
  let cited = new Set<WebSource>()
  let index = -1
  // Each delta costs one JSON.stringify of its text, because the text around it is the same for the whole block.
  let write = templateWriter('', '')
  const deltas: Record<TextKind, TextWriter> = {
    text: {
      kind: 'text',
      write: (pieces) => write(pieces),
      account(text, out) {
        for (const { source } of pages.push(text)) cite(source, out)
      },
    },
    reasoning: {
      kind: 'reasoning',
      write: thinking === 'shown' ? (pieces) => write(pieces) : () => '',
      account(text, out) {
        const tokens = thinking === 'omitted' && options.countsHiddenReasoning ? progress(text) : 0
        if (tokens > 0) out.push(thinkingStep(index, tokens))
      },
    },
  }
  let writer: TextWriter | undefined

  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start': {
          const usage = usageOf({ inputTokens: event.inputTokens, outputTokens: 1 })
          out.push(named('message_start', { message: message(head, [], usage) }), named('ping'))
          break
        }
        case 'text-start':
          start(out, { type: 'text', text: '', citations: null }, 'text_delta', 'text')
          pages.restart()
          cited = new Set()
          break
        case 'reasoning-start':
          // The signature is present from the start, because one SDK crashes without it.
          if (thinking !== 'hidden') {
            const block = { type: 'thinking', thinking: '', signature: '' }
            start(out, block, 'thinking_delta', 'thinking', options.countsHiddenReasoning && ',"estimated_tokens":null')
          }
          break
        case 'tool-call-start':
          start(out, toolUse(event, {}, options), 'input_json_delta', 'partial_json')
          break
        case 'reasoning-delta':
          if (thinking === 'shown') out.push(write([jsonEscape(event.text)]))
          deltas.reasoning.account(event.text, out)
          writer = deltas.reasoning
          break
        case 'text-delta':
          out.push(write([jsonEscape(event.text)]))
          // Citations follow the piece of text in which they were found.
          writer = searches === 0 ? deltas.text : undefined
          deltas.text.account(event.text, out)
          break
        case 'tool-call-delta':
          out.push(write([jsonEscape(event.text)]))
          break
        case 'reasoning-end':
          if (thinking === 'hidden') break
          out.push(
            named('content_block_delta', {
              index,
              delta: {
                type: 'signature_delta',
                signature: signatureOf(head.id, thinking === 'omitted' ? event.text : ''),
              },
            }),
            named('content_block_stop', { index }),
          )
          break
        case 'text-end':
        case 'tool-call-end':
          out.push(named('content_block_stop', { index }))
          break
        case 'server-tool': {
          const { use, result } = searchBlocks(head, searches++, event.tool)
          start(out, { ...use, input: {} }, 'input_json_delta', 'partial_json')
          out.push(write([jsonEscape(JSON.stringify(use.input))]), named('content_block_stop', { index }))
          index++
          out.push(
            named('content_block_start', { index, content_block: result }),
            named('content_block_stop', { index }),
          )
          pages.learn(event.tool.sources)
          break
        }
        case 'mcp-start':
          if (event.item.type === 'call') {
            start(out, mcpUse(event.item, {}), 'input_json_delta', 'partial_json')
            out.push(write([jsonEscape(event.item.arguments)]), named('content_block_stop', { index }))
          }
          break
        case 'mcp-end':
          if (event.item.type === 'call') {
            index++
            out.push(
              named('content_block_start', { index, content_block: mcpResultBlock(event.item) }),
              named('content_block_stop', { index }),
            )
          }
          break
        case 'message-end':
          out.push(
            named('message_delta', {
              delta: { container: null, ...stopOf(event) },
              usage: usageOf(event.usage, searches),
              context_management: editsOf(options),
            }),
            named('message_stop'),
          )
          break
        case 'error':
          out.push(sseMessage(JSON.stringify(errorBody(event.error, head.requestId)), 'error'))
          break
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: () => writer,
  }

  function start(out: string[], block: object, deltaType: string, field: string, rest = ''): void {
    index++
    const before = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":"${deltaType}","${field}":"`
    write = templateWriter(before, `"${rest}}}\n\n`)
    out.push(named('content_block_start', { index, content_block: block }))
  }

  function cite(source: WebSource, out: string[]): void {
    if (cited.has(source)) return
    cited.add(source)
    out.push(named('content_block_delta', { index, delta: { type: 'citations_delta', citation: citationOf(source) } }))
  }
}

export function encodeReply(head: ReplyHead, reply: Reply, options: MessagesOptions): object {
  const thinking = displayOf(head, options)
  const shown = reply.blocks.filter((block) => thinking !== 'hidden' || block.type !== 'reasoning')
  const pages = citationFinder()
  let searches = 0
  const content = shown.flatMap((block): object[] => {
    switch (block.type) {
      case 'text': {
        pages.restart()
        const cited = [...new Set(pages.push(block.text).map(({ source }) => source))]
        const citations = cited.length === 0 ? null : cited.map(citationOf)
        return [{ type: 'text', text: block.text, citations }]
      }
      case 'reasoning': {
        const text = thinking === 'shown' ? block.text : ''
        const echoed = text === '' ? block.text : ''
        return [{ type: 'thinking', thinking: text, signature: signatureOf(head.id, echoed) }]
      }
      case 'tool-call':
        return [toolUse(block, inputOf(block.arguments), options)]
      case 'server-tool': {
        pages.learn(block.tool.sources)
        const { use, result } = searchBlocks(head, searches++, block.tool)
        return [use, result]
      }
      case 'mcp':
        return block.item.type === 'call' ? mcpBlocks(block.item) : []
      default:
        return block satisfies never
    }
  })
  return {
    ...message(head, content, usageOf(reply.usage, searches)),
    ...stopOf(reply),
    context_management: editsOf(options),
  }
}

/** The name of a model may ask for reasoning when the body does not. The body decides how much of it is shown. */
function displayOf({ reasoningByName }: ReplyHead, { thinking }: MessagesOptions): MessagesOptions['thinking'] {
  return thinking === 'hidden' && reasoningByName ? 'shown' : thinking
}

/**
 * Has every member that a message has in SDK 1.14, with its beta types, because clients with strict types expect all of
 * them.
 */
function message(head: ReplyHead, content: object[], usage: object): object {
  return {
    id: head.id,
    type: 'message',
    role: 'assistant',
    model: head.model,
    content,
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    context_management: null,
    diagnostics: null,
    usage: {
      ...usage,
      cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 0 },
      inference_geo: null,
      service_tier: 'standard',
      speed: 'standard',
    },
  }
}

function thinkingStep(index: number, tokens: number): string {
  return named('content_block_delta', {
    index,
    delta: { type: 'thinking_delta', thinking: '', estimated_tokens: tokens },
  })
}

function toolUse({ id, name }: { id: string; name: string }, input: unknown, { toolsets }: MessagesOptions): object {
  return { type: 'tool_use', id, ...clientName(name, toolsets), input, caller: { type: 'direct' } }
}

function editsOf({ appliedEdits }: MessagesOptions): object | null {
  return appliedEdits ? { applied_edits: appliedEdits } : null
}

/**
 * The arguments of a call that was cut are no JSON; its input is empty then, and the stop reason `max_tokens` explains
 * it.
 */
function inputOf(text: string): unknown {
  const input = parseJson(text)
  return input === undefined ? {} : input
}

function stopOf(end: { reason: FinishReason; stopSequence?: string }): object {
  return {
    stop_reason: stopReasonOf[end.reason],
    stop_sequence: end.stopSequence ?? null,
    stop_details: end.reason === 'content-filter' ? refusal : null,
  }
}

/** The upstream does not say why it refused. */
const refusal = {
  type: 'refusal',
  category: null,
  explanation: null,
  fallback_credit_token: null,
  fallback_has_prefill_claim: null,
  recommended_model: null,
}

/** Anthropic counts cached input apart from `input_tokens`, while the canonical usage includes it. */
function usageOf(usage: Usage, searches = 0): object {
  const cached = usage.cachedInputTokens ?? 0
  return {
    input_tokens: usage.inputTokens - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: usage.outputTokens,
    output_tokens_details: usage.reasoningTokens === undefined ? null : { thinking_tokens: usage.reasoningTokens },
    server_tool_use: searches > 0 ? { web_search_requests: searches, web_fetch_requests: 0 } : null,
    iterations: null,
    fallback_credit: null,
  }
}

function named(type: string, rest: object = {}): string {
  return sseMessage(JSON.stringify({ type, ...rest }), type)
}

/**
 * Clients send the signature back unread. It tells the gateway's own reasoning from another model's. Reasoning that is
 * not shown is in it, so that the model can continue from it in the next turn.
 */
function signatureOf(replyId: string, unshown: string): string {
  return encodeEchoed(unshown === '' ? replyId : `${replyId}\n${unshown}`)
}

/** The reasoning in a block of the gateway, whether it was shown or not; `undefined` for a block of another model. */
export function reasoningOf({
  thinking,
  signature,
}: {
  thinking?: string | null
  signature?: string | null
}): string | undefined {
  const echoed = decodeEchoed(signature ?? '')
  if (echoed === undefined) return undefined
  const end = echoed.indexOf('\n')
  return thinking || (end < 0 ? '' : echoed.slice(end + 1))
}
