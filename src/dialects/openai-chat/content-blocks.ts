import type { AssistantPart, ToolCallPart } from '../../core/request.ts'
import { isFields, textOr } from '../openai/json-fields.ts'
import { type CustomName, toolCall } from '../openai/tool-call.ts'

/** A call, result or reasoning among the parts of a content, as in Messages. */
export type ContentBlock = ToolCallPart | ReasoningPart | ToolResult
type ReasoningPart = Extract<AssistantPart, { type: 'reasoning' }>

export interface ToolResult {
  type: 'result'
  callId: string
  content: unknown
  isError: boolean
}

export function blockOf(part: unknown, customName: CustomName): ContentBlock | undefined {
  if (!isFields(part)) return undefined
  switch (part.type) {
    case 'tool_use':
    case 'function_call':
    case 'custom_tool_call':
      return toolCall(part, customName)
    case 'tool_result':
    case 'function_call_output':
    case 'custom_tool_call_output': {
      const { tool_use_id, tool_call_id, call_id, content, output, is_error } = part
      const callId = [tool_use_id, tool_call_id, call_id].map((id) => textOr(id)).find((id) => id !== '') ?? ''
      return { type: 'result', callId, content: content ?? output, isError: is_error === true }
    }
    case 'thinking':
      return typeof part.thinking === 'string' ? { type: 'reasoning', text: part.thinking } : undefined
    case 'reasoning':
    case 'reasoning_content': {
      const text = textOr(part.text) || textOr(part.reasoning) || textOr(part.reasoning_content)
      return text === '' ? undefined : { type: 'reasoning', text }
    }
    default:
      return undefined
  }
}

export function reasoningPart(text: string): AssistantPart[] {
  return text === '' ? [] : [{ type: 'reasoning', text }]
}

/** Two calls with the same value are the same call, written twice. */
export function callKey(part: AssistantPart): string {
  return part.type === 'tool-call' ? JSON.stringify([part.id, part.name, part.arguments]) : ''
}
