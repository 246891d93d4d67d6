import type { FinishReason, Reply, Usage } from '../../core/events.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import type { Encoder, ReplyHead, TextWriter } from '../../core/reply-encoder.ts'
import { asciiJson, jsonEscape, sseMessage, templateWriter } from '../../core/sse.ts'
import { errorBody, refusedPrompt } from './errors.ts'
import { grounding } from './grounding.ts'
import { signatures } from './thought-signature.ts'

export interface GeminiOptions {
  /** Sends reasoning as parts that the client shows. Without it, reasoning is sent only inside thought signatures. */
  showsThoughts: boolean
  /** A stream is one JSON array, not server-sent events. */
  isArray?: true
  /** The reply is the text of a JSON string: one of the values that were asked for. */
  isEnum?: true
}

const finishReasonOf = {
  stop: 'STOP',
  'stop-sequence': 'STOP',
  length: 'MAX_TOKENS',
  'context-window': 'MAX_TOKENS',
  'tool-calls': 'STOP',
  'content-filter': 'SAFETY',
} satisfies Record<FinishReason, string>

/**
 * Encodes stream events as responses of Google's API: pieces of text and of thoughts, whole calls, and a last response
 * with `finishReason` and the usage. A stream that fails ends with an error instead.
 *
 * Each response has a part, if only an empty text: the chats of the official SDK forget a reply otherwise.
 */
export function encoder(head: ReplyHead, options: GeminiOptions): Encoder {
  const showsThoughts = options.showsThoughts || head.reasoningByName
  const frame = options.isArray ? arrayFrame() : sseFrame
  const { before, after } = frame.around(`${asciiJson(identityOf(head)).slice(1, -1)}`)
  const searches = grounding()
  const signing = signatures()
  const answer: TextWriter = {
    kind: 'text',
    write: templateWriter(`${before}{"text":"`, `"}${after}`),
    account() {},
  }
  const reasoningWriter: TextWriter = {
    kind: 'reasoning',
    write: showsThoughts ? templateWriter(`${before}{"text":"`, `","thought":true}${after}`) : () => '',
    account() {},
  }
  let writer: TextWriter | undefined
  let hasContent = false

  return {
    push(event, out) {
      if (event.type.endsWith('-delta')) hasContent = true
      switch (event.type) {
        case 'reasoning-delta':
          if (showsThoughts) out.push(frame.first(reasoningWriter.write([jsonEscape(event.text)])))
          writer = reasoningWriter
          break
        case 'reasoning-end':
          signing.add(event.text)
          break
        case 'text-delta':
          if (options.isEnum) break
          out.push(frame.first(answer.write([jsonEscape(event.text)])))
          writer = answer
          break
        case 'text-end': {
          const text = textOf(event.text, options)
          searches.addText(text)
          if (options.isEnum) out.push(frame.first(answer.write([jsonEscape(text)])))
          break
        }
        case 'tool-call-end': {
          const part = callPart(event, signing.take())
          if (part) out.push(response(candidate([part])))
          break
        }
        case 'server-tool':
          searches.add(event.tool)
          break
        case 'mcp-start':
        case 'mcp-end':
          break // this API has no tools of servers
        case 'message-end': {
          const last = candidate([{ text: '', ...signing.take() }], endOf(event.reason, searches.metadata()))
          out.push(response(last, { usageMetadata: usageOf(event.usage) }) + frame.end)
          break
        }
        case 'error': {
          const isRefusal = event.error.kind === 'content-filtered' && !hasContent
          const body = isRefusal ? refusedPrompt(head, event.error) : errorBody(event.error, head.requestId)
          out.push(frame.message(JSON.stringify(body)) + frame.end)
          break
        }
        case 'message-start':
        case 'text-start':
        case 'reasoning-start':
        case 'tool-call-start':
        case 'tool-call-delta':
          break // a call is sent once it is complete
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: () => writer,
    ...(options.isArray ? {} : { keepAlive: `${before}{"text":""}${after}` }),
  }

  function response(candidate: object, rest: object = {}): string {
    return frame.message(JSON.stringify({ candidates: [candidate], ...rest, ...identityOf(head) }))
  }
}

/** How the responses of a stream follow one another. */
interface Frame {
  /** The constant text around the part of a response. */
  around(identity: string): { before: string; after: string }
  /** A response of that constant text, which may be the first one. */
  first(text: string): string
  message(json: string): string
  end: string
}

const partBefore = '{"candidates":[{"content":{"parts":['
const partAfter = (identity: string) => `],"role":"model"},"index":0}],${identity}}`

const sseFrame: Frame = {
  around: (identity) => ({ before: `data: ${partBefore}`, after: `${partAfter(identity)}\n\n` }),
  first: (text) => text,
  message: (json) => sseMessage(json),
  end: '',
}

/** Each member after the first begins with a comma, so that a stream that is cut is never valid as a whole array. */
function arrayFrame(): Frame {
  const separator = ',\n'
  let isFirst = true
  const first = (text: string) => {
    if (!isFirst) return text
    isFirst = false
    return `[${text.slice(separator.length)}`
  }
  return {
    around: (identity) => ({ before: separator + partBefore, after: partAfter(identity) }),
    first,
    message: (json) => first(separator + json),
    end: ']',
  }
}

export function encodeReply(head: ReplyHead, reply: Reply, options: GeminiOptions): object {
  const showsThoughts = options.showsThoughts || head.reasoningByName
  const searches = grounding()
  const parts: ReplyPart[] = []
  const signing = signatures()
  for (const block of reply.blocks) {
    switch (block.type) {
      case 'reasoning':
        signing.add(block.text)
        if (showsThoughts) parts.push({ text: block.text, thought: true })
        break
      case 'text': {
        const text = textOf(block.text, options)
        searches.addText(text)
        const last = parts.at(-1)
        if (last?.text !== undefined && !last.thought) last.text += text
        else parts.push({ text })
        break
      }
      case 'tool-call': {
        const part = callPart(block, signing.take())
        if (part) parts.push(part)
        break
      }
      case 'server-tool':
        searches.add(block.tool)
        break
      case 'mcp':
        break
      default:
        block satisfies never
    }
  }
  const rest = signing.take()
  const last = parts.at(-1)
  if (last?.text !== undefined && !last.thought) Object.assign(last, rest)
  else if (last === undefined || rest.thoughtSignature !== undefined) parts.push({ text: '', ...rest })
  return {
    candidates: [candidate(parts, endOf(reply.reason, searches.metadata()))],
    usageMetadata: usageOf(reply.usage),
    ...identityOf(head),
  }
}

/** A value of an enum is a JSON string for the model, and a bare word for the client. */
function textOf(text: string, { isEnum }: GeminiOptions): string {
  const value = isEnum ? parseJson(text) : undefined
  return typeof value === 'string' ? value : text
}

interface ReplyPart {
  text?: string
  thought?: true
  thoughtSignature?: string
}

function candidate(parts: object[], rest: object = {}): object {
  return { content: { parts, role: 'model' }, ...rest, index: 0 }
}

/** `undefined` for a call that was cut: its arguments are no object, and `MAX_TOKENS` explains it. */
function callPart(
  { id, name, arguments: text }: { id: string; name: string; arguments: string },
  signature: object,
): object | undefined {
  const args = parseJson(text)
  return isRecord(args) ? { functionCall: { id, name, args }, ...signature } : undefined
}

function endOf(reason: FinishReason, groundingMetadata: object | undefined): object {
  return {
    finishReason: finishReasonOf[reason],
    ...(reason === 'context-window' ? { finishMessage: 'The context window of the model is full.' } : {}),
    ...(groundingMetadata ? { groundingMetadata } : {}),
  }
}

function identityOf(head: ReplyHead): object {
  return { modelVersion: head.model, responseId: head.id }
}

/** Google counts thoughts apart from the candidates, while the canonical usage includes them. */
function usageOf({ inputTokens, outputTokens, cachedInputTokens, reasoningTokens = 0 }: Usage): object {
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: Math.max(0, outputTokens - reasoningTokens),
    totalTokenCount: inputTokens + outputTokens,
    ...(reasoningTokens > 0 ? { thoughtsTokenCount: reasoningTokens } : {}),
    ...(cachedInputTokens ? { cachedContentTokenCount: cachedInputTokens } : {}),
  }
}
