import { type Citation, citationFinder } from '../../core/citations.ts'
import type { Encoder, ProseWriter, ReplyHead } from '../../core/dialect.ts'
import type { FinishReason, Reply, Usage } from '../../core/events.ts'
import { around, asciiJson, sseMessage, unquoted } from '../../core/sse.ts'
import { errorBody } from './errors.ts'

export interface ChatOptions {
  includeUsage: boolean
  /** The client declared `functions` and reads `function_call`, which holds one call. */
  legacyFunctions: boolean
}

const finishReasonOf = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'context-window': 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
} satisfies Record<FinishReason, string>

/** Separate thoughts arrive in one field, so a blank line keeps them apart. */
const betweenThoughts = '\n\n'

/**
 * Stream events as chat completion chunks: the role once, deltas, one `finish_reason`, the usage when asked for,
 * `[DONE]`. A failed stream has an error in place of all that follows: no `finish_reason`, no `[DONE]`.
 */
export function encoder(head: ReplyHead, options: ChatOptions): Encoder {
  const identity = asciiJson(chunkIdentity(head)).slice(0, -1)
  // A delta costs one JSON.stringify of its text: all around it is the same for the whole stream.
  const before = `data: ${identity},"choices":[{"index":0,"delta":`
  const usage = options.includeUsage ? ',"usage":null' : ''
  const after = `,"logprobs":null,"finish_reason":null}]${usage}}\n\n`
  let thoughts = 0
  let gap = ''
  let call = -1
  const pages = citationFinder()
  const cited: Citation[] = []
  const thought: ProseWriter = { kind: 'reasoning', write: around(`${before}{"reasoning_content":"`, `"}${after}`) }
  const answer: ProseWriter = { kind: 'text', write: around(`${before}{"content":"`, `"}${after}`) }
  let writer: ProseWriter | undefined

  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start':
          out.push(`${before}{"role":"assistant","content":""}${after}`)
          break
        case 'reasoning-start':
          if (thoughts++ > 0) gap = betweenThoughts
          break
        case 'reasoning-delta':
          if (!event.told) out.push(thought.write([unquoted(gap + event.text)]))
          gap = ''
          writer = thought
          break
        case 'text-delta':
          if (!event.told) out.push(answer.write([unquoted(event.text)]))
          writer = answer
          for (const citation of pages.push(event.text)) cited.push(citation)
          break
        case 'tool-call-start':
          call++
          out.push(...callDelta({ name: event.name, arguments: '' }, event.id))
          break
        case 'tool-call-delta':
          out.push(...callDelta({ arguments: event.text }))
          break
        case 'server-tool':
          pages.learn(event.tool.sources)
          break
        case 'message-end':
          if (cited.length > 0) out.push(`${before}{"annotations":${JSON.stringify(cited.map(annotation))}}${after}`)
          out.push(
            `${before}{},"logprobs":null,"finish_reason":"${finishReason(event.reason, options)}"}]${usage}}\n\n`,
          )
          if (options.includeUsage)
            out.push(`data: ${identity},"choices":[],"usage":${JSON.stringify(usageOf(event.usage))}}\n\n`)
          out.push(sseMessage('[DONE]'))
          break
        case 'error':
          out.push(sseMessage(JSON.stringify(errorBody(event.error))))
          break
        case 'text-start':
        case 'text-end':
        case 'reasoning-end':
        case 'tool-call-end':
          break // chunks know no blocks
        default:
          event satisfies never
      }
    },
    end() {}, // the stream's last event says it all
    prose: () => writer,
  }

  function callDelta(called: { name?: string; arguments: string }, id?: string): string[] {
    const text = JSON.stringify(called)
    if (options.legacyFunctions) return call === 0 ? [`${before}{"function_call":${text}}${after}`] : []
    const start = id === undefined ? '' : `"id":${JSON.stringify(id)},"type":"function",`
    return [`${before}{"tool_calls":[{"index":${call},${start}"function":${text}}]}${after}`]
  }
}

export function encodeReply(head: ReplyHead, reply: Reply, options: ChatOptions): object {
  const texts = reply.blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
  const thoughts = reply.blocks.flatMap((block) => (block.type === 'reasoning' ? [block.text] : []))
  const calls = reply.blocks.flatMap((block) =>
    block.type === 'tool-call'
      ? [{ id: block.id, type: 'function', function: { name: block.name, arguments: block.arguments } }]
      : [],
  )
  const [firstCall] = calls
  const annotations = annotationsOf(reply)
  return {
    ...chunkIdentity(head),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: texts.length === 0 && firstCall ? null : texts.join(''),
          refusal: null,
          ...(annotations.length > 0 ? { annotations } : {}),
          ...(thoughts.length > 0 ? { reasoning_content: thoughts.join(betweenThoughts) } : {}),
          ...(firstCall
            ? options.legacyFunctions
              ? { function_call: firstCall.function }
              : { tool_calls: calls }
            : {}),
        },
        logprobs: null,
        finish_reason: finishReason(reply.reason, options),
      },
    ],
    usage: usageOf(reply.usage),
  }
}

/** Places count in the whole content. */
function annotationsOf(reply: Reply): object[] {
  const pages = citationFinder()
  return reply.blocks.flatMap((block) => {
    if (block.type === 'server-tool') pages.learn(block.tool.sources)
    return block.type === 'text' ? pages.push(block.text).map(annotation) : []
  })
}

function annotation({ start, end, source: { title, url } }: Citation): object {
  return { type: 'url_citation', url_citation: { start_index: start, end_index: end, title: title || url, url } }
}

function chunkIdentity(head: ReplyHead): object {
  return { id: head.id, object: 'chat.completion.chunk', created: head.createdAtSeconds, model: head.model }
}

function finishReason(reason: FinishReason, options: ChatOptions): string {
  return reason === 'tool-calls' && options.legacyFunctions ? 'function_call' : finishReasonOf[reason]
}

function usageOf(usage: Usage): object {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
  }
}
