import type { ToolChoice } from '../../core/request.ts'

/** How a client's tool choice, and its limit to one call at a time, reach the model: as fields, or as instructions. */
export type ToolChoiceStyle = 'native' | 'prompted'

/** The fields of OpenAI's API. `parallel_tool_calls` is on by default, and not every server knows it. */
export function toolChoiceFields(choice: ToolChoice, parallel: boolean): object {
  return {
    tool_choice: typeof choice === 'object' ? { type: 'function', function: { name: choice.name } } : choice,
    ...(parallel ? {} : { parallel_tool_calls: false }),
  }
}
