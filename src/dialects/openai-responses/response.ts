import type { FinishReason, Usage } from '../../core/events.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'
import { isCompaction } from './compaction.ts'
import type { Echo } from './echo.ts'
import { type Item, itemKey, outputText } from './items.ts'
import type { ItemBody } from './schema.ts'
import { storedItem } from './stored-item.ts'
import type { ToolOrigin } from './tools.ts'

export interface ResponsesOptions {
  echo: Echo
  /** The client's tools by the names that they were offered under. */
  origins: [offered: string, ToolOrigin][]
  /** The client wants reasoning as summaries; otherwise it is the `content` of its item. */
  summarises: boolean
  /** The client stores the reasoning itself, and needs it in a form that it can send back. */
  includesEncryptedReasoning: boolean
  /** The client wants the pages of a search in its item. */
  listsSources: boolean
  /** The whole conversation, for the store. */
  input: ItemBody[]
  /** The conversation that the reply is added to, and the number of items that are in it already. */
  conversation?: { id: string; length: number } | undefined
  /** The text of the reply is a summary. It replaces the conversation except for the items that are kept. */
  compaction?: { kept: ItemBody[] | undefined } | undefined
}

export type ResponseEnding =
  | { status: 'completed' | 'in_progress' | 'queued' | 'failed' }
  | { status: 'incomplete'; reason: string }

export const endingOf = {
  stop: { status: 'completed' },
  'stop-sequence': { status: 'completed' },
  length: { status: 'incomplete', reason: 'max_output_tokens' },
  'context-window': { status: 'incomplete', reason: 'max_output_tokens' },
  'tool-calls': { status: 'completed' },
  'content-filter': { status: 'incomplete', reason: 'content_filter' },
} satisfies Record<FinishReason, ResponseEnding>

/** The response before its first event. */
export function queuedResponse(head: ReplyHead, options: ResponsesOptions): Record<string, unknown> {
  return response(head, options, { status: 'queued' }, [])
}

/** The answer to a request for compaction. Reasoning is left out, because clients send everything back. */
export function compactedConversation(
  head: ReplyHead,
  kept: readonly ItemBody[],
  output: readonly Item[],
  usage: Usage,
): Record<string, unknown> {
  return {
    id: head.id,
    object: 'response.compaction',
    created_at: head.createdAtSeconds,
    output: [
      ...kept.map((item, index) => storedItem(item, itemKey(head.id, `i${index}`))),
      ...output.filter(isCompaction),
    ],
    usage: usageOf(usage),
  }
}

/** Tokens are counted only when a reply is complete. */
const nothingUsed: Usage = { inputTokens: 0, outputTokens: 0 }

/** A response as a whole. It has every member that the type of SDK 7.59 and the schema of Open Responses require. */
export function response(
  head: ReplyHead,
  options: ResponsesOptions,
  ending: ResponseEnding,
  output: Item[],
  usage: Usage = nothingUsed,
): Record<string, unknown> {
  return {
    id: head.id,
    object: 'response',
    created_at: head.createdAtSeconds,
    completed_at: ending.status === 'completed' ? head.completedAtSeconds() : null,
    status: ending.status,
    error: null,
    incomplete_details: ending.status === 'incomplete' ? { reason: ending.reason } : null,
    model: head.model,
    output,
    output_text: outputText(output),
    usage: usageOf(usage),
    ...options.echo,
    temperature: options.echo.temperature ?? head.defaultTemperature ?? usualTemperature,
  }
}

/** The temperature for a model whose default is unknown: that of all models from GLM-4.6 on. */
const usualTemperature = 1

function usageOf(usage: Usage): object {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0, cache_write_tokens: 0 },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}
