import type { FinishReason, Reply, StreamEvent, Usage } from '../../core/events.ts'
import type { ReplyHead, TextWriter } from '../../core/reply-encoder.ts'
import { jsonEscape } from '../../core/sse.ts'

/** The stream is one JSON object a line. */
export const stream = {
  contentType: 'application/x-ndjson',
  // Clients parse every line, so an empty one would be an error. Before the next object, white space is part of its line.
  keepAlive: ' ',
}

/** Every line of a reply begins with this. */
export function identityOf({ model, createdAtSeconds }: ReplyHead): { model: string; created_at: string } {
  return { model, created_at: new Date(createdAtSeconds * 1000).toISOString() }
}

export function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

/** Several blocks of reasoning arrive in one field, so a blank line separates them. */
const reasoningSeparator = '\n\n'

/** The lines of a stream that carry text and reasoning. */
export interface TextLines {
  /** Writes `text-delta` and `reasoning-delta`, and separates blocks at `reasoning-start`. Ignores other events. */
  push(event: StreamEvent, out: string[]): void
  /** Writes further text of the open block. */
  writer(): TextWriter | undefined
}

/** `writeText` and `writeReasoning` make a line of each piece. */
export function textLines(writeText: TextWriter['write'], writeReasoning: TextWriter['write']): TextLines {
  const text: TextWriter = { kind: 'text', write: writeText, account() {} }
  const reasoning: TextWriter = { kind: 'reasoning', write: writeReasoning, account() {} }
  let writer: TextWriter | undefined
  let reasoningParts = 0
  let gap = ''

  return {
    push(event, out) {
      switch (event.type) {
        case 'text-delta':
          out.push(writeText([jsonEscape(event.text)]))
          writer = text
          break
        case 'reasoning-start':
          if (reasoningParts++ > 0) gap = reasoningSeparator
          break
        case 'reasoning-delta':
          out.push(writeReasoning([jsonEscape(gap + event.text)]))
          gap = ''
          writer = reasoning
          break
        default:
      }
    },
    writer: () => writer,
  }
}

export function textOf(reply: Reply): string {
  return textsOf(reply, 'text').join('')
}

/** The member of a whole reply or message with its reasoning; none where there is no reasoning. */
export function thinkingOf(reply: Reply): { thinking?: string } {
  const thinking = textsOf(reply, 'reasoning').join(reasoningSeparator)
  return thinking === '' ? {} : { thinking }
}

function textsOf({ blocks }: Reply, type: 'text' | 'reasoning'): string[] {
  return blocks.flatMap((block) => (block.type === type ? [block.text] : []))
}

/** Ollama has no word for a filtered reply. */
const doneReasonOf = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'context-window': 'length',
  'tool-calls': 'stop',
  'content-filter': 'content_filter',
} satisfies Record<FinishReason, string>

/** The last members of a complete reply. Durations are nanoseconds; no time goes into loading a model here. */
export function ending({ timing }: ReplyHead, reason: FinishReason, usage: Usage): object {
  const { totalMs, firstTokenMs } = timing?.() ?? { totalMs: 0, firstTokenMs: 0 }
  return {
    done: true,
    done_reason: doneReasonOf[reason],
    total_duration: nanoseconds(totalMs),
    load_duration: 0,
    prompt_eval_count: usage.inputTokens,
    prompt_eval_duration: nanoseconds(firstTokenMs),
    eval_count: usage.outputTokens,
    eval_duration: nanoseconds(totalMs - firstTokenMs),
  }
}

/** The last members of the answer to a request without a prompt, which loads a model or takes it out of memory. */
export function loaded(unloads: boolean): object {
  return { done: true, done_reason: unloads ? 'unload' : 'load' }
}

function nanoseconds(ms: number): number {
  return Math.round(Math.max(ms, 0) * 1e6)
}
