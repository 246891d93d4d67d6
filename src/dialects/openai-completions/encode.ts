import type { FinishReason, Reply } from '../../core/events.ts'
import type { Encoder, ReplyHead } from '../../core/reply-encoder.ts'
import { sseMessage } from '../../core/sse.ts'
import { completionUsage } from '../openai/completion-usage.ts'
import { errorBody } from './errors.ts'

export interface CompletionOptions {
  includeUsage: boolean
  /** Text before the completion: the prompt, if the client wants it repeated. */
  echo: string
}

const finishReasonOf = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'context-window': 'length',
  'tool-calls': 'stop',
  'content-filter': 'content_filter',
} satisfies Record<FinishReason, string>

/**
 * Encodes stream events as completion chunks: text, one `finish_reason`, the usage if requested, `[DONE]`. Chunks
 * cannot hold reasoning or calls. A stream that fails ends with an error.
 */
export function encoder(head: ReplyHead, options: CompletionOptions): Encoder {
  const chunk = (choices: object[], usage: object | null) =>
    sseMessage(
      JSON.stringify({
        ...identityOf(head),
        choices,
        ...(options.includeUsage ? { usage } : {}),
      }),
    )
  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start':
          if (options.echo !== '') out.push(chunk([choiceOf(options.echo, null)], null))
          break
        case 'text-delta':
          out.push(chunk([choiceOf(event.text, null)], null))
          break
        case 'message-end':
          out.push(chunk([choiceOf('', finishReasonOf[event.reason])], null))
          if (options.includeUsage) out.push(chunk([], completionUsage(event.usage)))
          out.push(sseMessage('[DONE]'))
          break
        case 'error':
          out.push(sseMessage(JSON.stringify(errorBody(event.error))))
          break
        case 'server-tool':
        case 'mcp-start':
        case 'mcp-end':
        case 'text-start':
        case 'text-end':
        case 'reasoning-start':
        case 'reasoning-delta':
        case 'reasoning-end':
        case 'tool-call-start':
        case 'tool-call-delta':
        case 'tool-call-end':
          break
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    keepAlive: chunk([choiceOf('', null)], null),
  }
}

export function encodeReply(head: ReplyHead, reply: Reply, { echo }: CompletionOptions): object {
  const texts = reply.blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
  return {
    ...identityOf(head),
    choices: [choiceOf(echo + texts.join(''), finishReasonOf[reply.reason])],
    usage: completionUsage(reply.usage),
  }
}

function identityOf(head: ReplyHead): object {
  return { id: head.id, object: 'text_completion', created: head.createdAtSeconds, model: head.model }
}

function choiceOf(text: string, finishReason: string | null): object {
  return { text, index: 0, logprobs: null, finish_reason: finishReason }
}
