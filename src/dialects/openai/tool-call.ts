import type { ToolCallPart } from '../../core/request.ts'
import { type Fields, isFields, jsonText, textOr } from './json-fields.ts'

/** The model's name for a freeform tool of the client. */
export type CustomName = (name: string) => string

/**
 * A call nested in `function` or `custom`, or flat as in Responses and Messages. Missing fields are empty; the gateway
 * gives ids and names to calls without them.
 */
export function toolCall(call: Fields, customName: CustomName = (name) => name): ToolCallPart {
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
