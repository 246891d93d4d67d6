import { citationFinder } from '../../core/citations.ts'
import type { Encoder, ReplyHead, TextWriter } from '../../core/dialect.ts'
import type { FinishReason, Reply, TextKind, Usage, WebSource } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import { seal, unseal } from '../../core/opaque-text.ts'
import { jsonEscape, sseMessage, templateWriter } from '../../core/sse.ts'
import type { AppliedEdit } from './context-management.ts'
import { errorBody } from './errors.ts'
import { thinkingProgress } from './thinking-progress.ts'
import { clientName, type Toolset } from './toolsets.ts'
import { citationOf, searchBlocks } from './web-search.ts'

export interface MessagesOptions {
  /** What the client sees of the reasoning: nothing, a signed block without its text, or all of it. */
  thinking: 'hidden' | 'omitted' | 'shown'
  /** The client wants to see how far thinking has come that it does not see. */
  countsThinking?: true
  /** Families whose members were offered, and which the client tells apart from other tools. */
  toolsets?: Toolset[]
  /** What was taken out of the conversation, where the client asked for that. */
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
 * Stream events as the Messages API's own: `message_start ping (start delta* stop)* message_delta message_stop`,
 * or `error` and nothing behind it. Block indexes are counted here, because hidden reasoning takes none.
 */
export function encoder(head: ReplyHead, options: MessagesOptions): Encoder {
  const thinking = displayOf(head, options)
  const progress = thinkingProgress()
  const pages = citationFinder()
  let searches = 0
  // Each page is cited once a block.
  let cited = new Set<WebSource>()
  let index = -1
  // A delta costs one JSON.stringify of its text: all around it is the same for the whole block.
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
        const tokens = thinking === 'omitted' && options.countsThinking ? progress(text) : 0
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
          // The signature has to be there from the start: one SDK crashes without it.
          if (thinking !== 'hidden') {
            const block = { type: 'thinking', thinking: '', signature: '' }
            start(out, block, 'thinking_delta', 'thinking', options.countsThinking && ',"estimated_tokens":null')
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
          // Citations follow the very piece they are found in.
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
    end() {}, // the stream's last event says it all
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
        const sealed = text === '' ? block.text : ''
        return [{ type: 'thinking', thinking: text, signature: signatureOf(head.id, sealed) }]
      }
      case 'tool-call':
        return [toolUse(block, inputOf(block.arguments), options)]
      case 'server-tool': {
        pages.learn(block.tool.sources)
        const { use, result } = searchBlocks(head, searches++, block.tool)
        return [use, result]
      }
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

/** A model's name may ask for reasoning where the body does not; how much of it is shown is for the body to say. */
function displayOf({ reasoningByName }: ReplyHead, { thinking }: MessagesOptions): MessagesOptions['thinking'] {
  return thinking === 'hidden' && reasoningByName ? 'shown' : thinking
}

/** Every member that SDK 1.14 has in a message, of its beta types, too: clients with strict types miss none. */
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

/** A reply cut for length may end inside a call; its input is then empty and `max_tokens` says why. */
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

/** Nobody tells why the upstream refused. */
const refusal = {
  type: 'refusal',
  category: null,
  explanation: null,
  fallback_credit_token: null,
  fallback_has_prefill_claim: null,
  recommended_model: null,
}

/** Anthropic counts cached input apart from `input_tokens`; ours is inclusive. */
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
 * Clients send it back unread; it tells our own thinking from another model's. Thoughts that are not shown are in it,
 * for the model goes on from them in its next turn.
 */
function signatureOf(replyId: string, unshown: string): string {
  return seal(unshown === '' ? replyId : `${replyId}\n${unshown}`)
}

/** The thoughts in a block of ours, whether they were shown or not; `undefined` for a block of another model. */
export function reasoningOf({
  thinking,
  signature,
}: {
  thinking?: string | null
  signature?: string | null
}): string | undefined {
  const sealed = unseal(signature ?? '')
  if (sealed === undefined) return undefined
  const end = sealed.indexOf('\n')
  return thinking || (end < 0 ? '' : sealed.slice(end + 1))
}
