import { blockFreeText } from '../../core/block-free-text.ts'
import { type Citation, citationFinder } from '../../core/citations.ts'
import type { FinishReason, Reply } from '../../core/events.ts'
import type { Encoder, ReasoningField, ReplyHead, TextWriter } from '../../core/reply-encoder.ts'
import { asciiJson, sseMessage, templateWriter } from '../../core/sse.ts'
import { completionUsage } from '../openai/completion-usage.ts'
import { customInput, type RunningInput, runningInput } from '../openai/custom-input.ts'
import { errorBody } from './errors.ts'

export interface ChatOptions {
  includeUsage: boolean
  /** The client declared `functions` and reads `function_call`, which can hold one call. */
  legacyFunctions: boolean
  /** The client's own names of the tools that take free text, by the names that the model knows. */
  customTools?: [offered: string, name: string][]
}

const finishReasonOf = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'context-window': 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
} satisfies Record<FinishReason, string>

/** Several blocks of reasoning arrive in one field, so a blank line separates them. */
const reasoningSeparator = '\n\n'

const fieldsOf = {
  reasoning_content: ['reasoning_content'],
  reasoning: ['reasoning'],
  both: ['reasoning_content', 'reasoning'],
} satisfies Record<ReasoningField, string[]>

/**
 * Encodes stream events as chat completion chunks: the role once, deltas, one `finish_reason`, the usage if requested,
 * `[DONE]`. A stream that fails ends with an error: no `finish_reason` and no `[DONE]` follow.
 *
 * Every delta has the reasoning field, with null if it has no reasoning, because Python clients read it without a
 * check.
 */
export function encoder(head: ReplyHead, options: ChatOptions): Encoder {
  const identity = asciiJson(chunkIdentity(head)).slice(0, -1)
  // Each delta costs one JSON.stringify of its text, because the text around it is the same for the whole stream.
  const before = `data: ${identity},"choices":[{"index":0,"delta":`
  const usage = options.includeUsage ? ',"usage":null' : ''
  const after = `,"logprobs":null,"finish_reason":null}]${usage}}\n\n`
  const fields = fieldsOf[head.reasoningField ?? 'reasoning_content']
  const noReasoning = fields.map((field) => `"${field}":null`).join(',')
  const afterDelta = `,${noReasoning}}${after}`
  let call = -1
  let input: RunningInput | undefined
  const customTools = new Map(options.customTools)
  const pages = citationFinder()
  const cited: Citation[] = []
  const reasoning: TextWriter = {
    kind: 'reasoning',
    write: reasoningWriter(fields, `${before}{`, `}${after}`),
    account() {},
  }
  const answer: TextWriter = {
    kind: 'text',
    write: templateWriter(`${before}{"content":"`, `"${afterDelta}`),
    account(text) {
      for (const citation of pages.push(text)) cited.push(citation)
    },
  }
  const pieces = blockFreeText({ text: answer, reasoning, separator: reasoningSeparator })

  return {
    push(event, out) {
      switch (event.type) {
        case 'message-start':
          out.push(`${before}{"role":"assistant","content":""${afterDelta}`)
          break
        case 'reasoning-start':
          pieces.startReasoning()
          break
        case 'text-delta':
        case 'reasoning-delta':
          pieces.write(event, out)
          break
        case 'tool-call-start': {
          call++
          const custom = customTools.get(event.name)
          input = custom === undefined ? undefined : runningInput()
          const called = input ? { name: custom, input: '' } : { name: event.name, arguments: '' }
          callDelta(called, out, event.id)
          break
        }
        case 'tool-call-delta':
          if (input) inputDelta(input.push(event.text), out)
          else callDelta({ arguments: event.text }, out)
          break
        case 'tool-call-end':
          if (input) inputDelta(input.end(event.arguments).rest, out)
          break
        case 'server-tool':
          pages.learn(event.tool.sources)
          break
        case 'mcp-start':
        case 'mcp-end':
          break // this API has no tools of servers
        case 'message-end':
          if (cited.length > 0)
            out.push(`${before}{"annotations":${JSON.stringify(cited.map(annotation))}${afterDelta}`)
          out.push(
            `${before}{${noReasoning}},"logprobs":null,"finish_reason":"${finishReason(event.reason, options)}"}]${usage}}\n\n`,
          )
          if (options.includeUsage)
            out.push(`data: ${identity},"choices":[],"usage":${JSON.stringify(completionUsage(event.usage))}}\n\n`)
          out.push(sseMessage('[DONE]'))
          break
        case 'error':
          out.push(sseMessage(JSON.stringify(errorBody(event.error))))
          break
        case 'text-start':
        case 'text-end':
        case 'reasoning-end':
          break // chunks have no blocks
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: pieces.writer,
    keepAlive: `${before}{${noReasoning}}${after}`,
  }

  function callDelta(called: object, out: string[], id?: string): void {
    const text = JSON.stringify(called)
    if (options.legacyFunctions) {
      if (call === 0) out.push(`${before}{"function_call":${text}${afterDelta}`)
      return
    }
    const kind = input ? 'custom' : 'function'
    const start = id === undefined ? '' : `"id":${JSON.stringify(id)},"type":"${kind}",`
    out.push(`${before}{"tool_calls":[{"index":${call},${start}"${kind}":${text}}]${afterDelta}`)
  }

  function inputDelta(text: string, out: string[]): void {
    if (text !== '') callDelta({ input: text }, out)
  }
}

/** Clients look for reasoning in two fields; with `both`, each holds all of it. */
function reasoningWriter(fields: readonly string[], before: string, after: string): TextWriter['write'] {
  const [field, ...others] = fields
  if (others.length === 0) return templateWriter(`${before}"${field}":"`, `"${after}`)
  return (pieces) =>
    pieces.map((piece) => before + fields.map((name) => `"${name}":"${piece}"`).join(',') + after).join('')
}

export function encodeReply(head: ReplyHead, reply: Reply, options: ChatOptions): object {
  const texts = reply.blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
  const reasoningParts = reply.blocks.flatMap((block) => (block.type === 'reasoning' ? [block.text] : []))
  const calls = reply.blocks.flatMap((block) => (block.type === 'tool-call' ? [block] : []))
  const [firstCall] = calls
  const customTools = new Map(options.customTools)
  const reasoning = reasoningParts.length > 0 ? reasoningParts.join(reasoningSeparator) : null
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
          annotations: annotationsOf(reply),
          ...Object.fromEntries(
            fieldsOf[head.reasoningField ?? 'reasoning_content'].map((field) => [field, reasoning]),
          ),
          ...(firstCall
            ? options.legacyFunctions
              ? { function_call: functionOf(firstCall) }
              : { tool_calls: calls.map((call) => toolCall(call, customTools.get(call.name))) }
            : {}),
        },
        logprobs: null,
        finish_reason: finishReason(reply.reason, options),
      },
    ],
    usage: completionUsage(reply.usage),
  }
}

type CallBlock = Extract<Reply['blocks'][number], { type: 'tool-call' }>

function toolCall(call: CallBlock, customName: string | undefined): object {
  return customName === undefined
    ? { id: call.id, type: 'function', function: functionOf(call) }
    : { id: call.id, type: 'custom', custom: { name: customName, input: customInput(call.arguments) } }
}

function functionOf({ name, arguments: args }: CallBlock): object {
  return { name, arguments: args }
}

/** Indexes count in the whole content. */
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
