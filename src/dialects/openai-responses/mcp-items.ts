import type { McpCall, McpError, McpItem } from '../../core/mcp.ts'

const prefixOf = { tools: 'mcpl_', call: 'mcp_', approval: 'mcpr_' } satisfies Record<McpItem['type'], string>

/** `key` is what follows the prefix of the id. */
export function mcpItemId({ type }: McpItem, key: string): string {
  return prefixOf[type] + key
}

/** A list or a call of an MCP server, as an output item. Source: the types of SDK 7.59. */
export function mcpItem(item: McpItem, key: string): Record<string, unknown> {
  const id = mcpItemId(item, key)
  switch (item.type) {
    case 'tools':
      return {
        id,
        type: 'mcp_list_tools',
        server_label: item.server,
        tools: item.tools.map(({ name, description, inputSchema, annotations }) => ({
          annotations: annotations ?? null,
          description: description ?? null,
          input_schema: inputSchema,
          name,
        })),
        error: null,
      }
    case 'call':
      return { id, ...callItem(item) }
    case 'approval':
      return {
        id,
        type: 'mcp_approval_request',
        arguments: item.arguments,
        name: item.tool,
        server_label: item.server,
      }
    default:
      return item satisfies never
  }
}

function callItem({ server, tool, arguments: args, approvalId, result }: McpCall): Record<string, unknown> {
  const output = result && 'output' in result ? result.output : null
  const error = result && 'error' in result ? result.error : undefined
  return {
    type: 'mcp_call',
    approval_request_id: approvalId ?? null,
    arguments: args,
    error: error ? errorMember(error) : null,
    name: tool,
    output,
    server_label: server,
    status: result === undefined ? 'in_progress' : error ? 'failed' : 'completed',
  }
}

function errorMember({ kind, code, message }: McpError): object {
  switch (kind) {
    case 'tool':
      return { type: 'mcp_tool_execution_error', content: [{ type: 'text', text: message }] }
    case 'http':
      return { type: 'http_error', code, message }
    case 'protocol':
      return { type: 'mcp_protocol_error', code, message }
    default:
      return kind satisfies never
  }
}

/** The events behind `response.output_item.added`. `at` says which item they are about. */
export function mcpStartEvents(item: McpItem, at: object): [type: string, rest: object][] {
  switch (item.type) {
    case 'tools':
      return [['response.mcp_list_tools.in_progress', at]]
    case 'call':
      return [
        ['response.mcp_call.in_progress', at],
        ['response.mcp_call_arguments.delta', { ...at, delta: item.arguments }],
        ['response.mcp_call_arguments.done', { ...at, arguments: item.arguments }],
      ]
    case 'approval':
      return []
    default:
      return item satisfies never
  }
}

/** The event before `response.output_item.done`, if there is one. */
export function mcpEndEvent(item: McpItem): string | undefined {
  switch (item.type) {
    case 'tools':
      return 'response.mcp_list_tools.completed'
    case 'call':
      return `response.mcp_call.${item.result && 'error' in item.result ? 'failed' : 'completed'}`
    case 'approval':
      return undefined
    default:
      return item satisfies never
  }
}
