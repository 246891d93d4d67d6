import type { FinishReason, Reply, Usage } from '../../core/events.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'

/** Every line of a reply begins with this. */
export function identityOf({ model, createdAtSeconds }: ReplyHead): { model: string; created_at: string } {
  return { model, created_at: new Date(createdAtSeconds * 1000).toISOString() }
}

/** Several blocks of reasoning arrive in one field, so a blank line separates them. */
export const reasoningSeparator = '\n\n'

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

/** What a request without a prompt does, and the `done_reason` of its answer. */
export type LoadReason = 'load' | 'unload'

/**
 * The last members of a complete reply. Durations are nanoseconds; no time goes into loading a model here, so the answer to
 * a request that only loads one has none.
 */
export function ending(
  { timing }: ReplyHead,
  reason: FinishReason,
  usage: Usage,
  loadReason?: LoadReason | null | undefined,
): object {
  if (loadReason) return { done: true, done_reason: loadReason }
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

function nanoseconds(ms: number): number {
  return Math.round(Math.max(ms, 0) * 1e6)
}
