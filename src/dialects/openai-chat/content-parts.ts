import type { UserPart } from '../../core/request.ts'
import { outputParts } from '../openai/content.ts'
import type { ToolResult } from './content-blocks.ts'
import { type ConversationState, tolerant } from './conversation-state.ts'

export interface ContentPart {
  part: unknown
  path: string
}

/** The parts of a content with their paths. A content that is not a list is one part. */
export function contentParts(content: unknown, path: string): ContentPart[] {
  return Array.isArray(content)
    ? content.map((part, index) => ({ part, path: `${path}.${index}` }))
    : [{ part: content, path }]
}

export function addResultBlock({ callId, content, isError }: ToolResult, path: string, state: ConversationState): void {
  state.builder.result(callId, resultParts(content, `${path}.content`, state), isError)
}

export function resultParts(content: unknown, path: string, state: ConversationState): UserPart[] {
  return outputParts(content, path, tolerant(state))
}
