import type { AssistantPart } from '../../core/request.ts'
import { type Fields, isFields, jsonText, textOr } from '../openai/fields.ts'

export type ToolCall = Extract<AssistantPart, { type: 'tool-call' }>

/** The name by which the model knows a freeform tool of the client's. */
export type CustomName = (name: string) => string

/** A part of a content that is more than content: Messages have calls, results and thinking there. */
export type Block = ToolCall | ReasoningPart | ToolResult
type ReasoningPart = Extract<AssistantPart, { type: 'reasoning' }>

export interface ToolResult {
  type: 'result'
  callId: string
  content: unknown
  isError: boolean
}

export function blockOf(part: unknown, customName: CustomName): Block | undefined {
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

/** A call nested in `function` or `custom`, or flat as in Responses and Messages. */
export function toolCall(call: Fields, customName: CustomName): ToolCall {
  const id = textOr(call.call_id) || textOr(call.id)
  const isCustom = isFields(call.custom) ? !isFields(call.function) || call.type === 'custom' : isFlatCustom(call)
  if (isCustom) {
    const { name, input } = isFields(call.custom) ? call.custom : call
    return {
      type: 'tool-call',
      id,
      name: customName(textOr(name)),
      arguments: JSON.stringify({ input: jsonText(input) }),
    }
  }
  const { name, arguments: args, input } = isFields(call.function) ? call.function : call
  return { type: 'tool-call', id, name: textOr(name), arguments: jsonText(args ?? input) || '{}' }
}

function isFlatCustom({ type, input }: Fields): boolean {
  return type === 'custom_tool_call' || (type === 'custom' && typeof input === 'string')
}

export function reasoningPart(text: string): AssistantPart[] {
  return text === '' ? [] : [{ type: 'reasoning', text }]
}

/** What makes two calls the same one, written twice. */
export function callKey(part: AssistantPart): string {
  return part.type === 'tool-call' ? JSON.stringify([part.id, part.name, part.arguments]) : ''
}
