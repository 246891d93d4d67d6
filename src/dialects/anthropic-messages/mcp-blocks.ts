import { parseJson } from '../../core/json.ts'
import { type McpCall, mcpResultText } from '../../core/mcp.ts'

/** The call of a tool of an MCP server, and its result. Source: the beta types of SDK 1.14. */
export function mcpBlocks(call: McpCall): [use: object, result: object] {
  return [mcpUse(call, parseJson(call.arguments) ?? {}), mcpResultBlock(call)]
}

export function mcpUse(call: McpCall, input: unknown): object {
  return { type: 'mcp_tool_use', id: useIdOf(call), name: call.tool, input, server_name: call.server }
}

export function mcpResultBlock(call: McpCall): object {
  const result = call.result ?? { output: '' }
  return {
    type: 'mcp_tool_result',
    tool_use_id: useIdOf(call),
    is_error: 'error' in result,
    content: [{ type: 'text', text: mcpResultText(result), citations: null }],
  }
}

function useIdOf({ id }: McpCall): string {
  return `mcptoolu_${id.replace(/^(?:mcp)?(?:toolu|call)_/, '')}`
}
