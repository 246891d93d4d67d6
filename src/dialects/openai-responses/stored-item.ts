import { type Fields, isFields, listOf, textOr } from '../openai/json-fields.ts'
import { echoedTool } from './echo.ts'
import { withoutCredentials } from './mcp-servers.ts'
import { type ItemBody, isTool } from './schema.ts'

const prefixOf: Record<string, string> = {
  message: 'msg_',
  reasoning: 'rs_',
  function_call: 'fc_',
  custom_tool_call: 'ctc_',
  local_shell_call: 'lsh_',
  shell_call: 'sh_',
  apply_patch_call: 'apc_',
  tool_search_call: 'tsc_',
  web_search_call: 'ws_',
  mcp_list_tools: 'mcpl_',
  mcp_call: 'mcp_',
  mcp_approval_request: 'mcpr_',
  mcp_approval_response: 'mcpa_',
  compaction: 'cmp_',
}

/**
 * An item of the input as it is stored and listed: with its type, an id, a status and parts, even if the client left
 * them out. `key` is what follows the prefix of the id.
 */
export function storedItem({ content, status, ...item }: ItemBody, key: string): Fields {
  const type = textOr(item.type, 'message')
  const stored = {
    ...item,
    type,
    id: textOr(item.id, `${prefixOf[type] ?? 'item_'}${key}`),
    status: textOr(status, 'completed'),
  }
  if (type === 'message') return { ...stored, content: messageParts(content, item.role) }
  if ('tools' in item) return { ...stored, tools: listOf(item.tools).map(storedTool) }
  return content === undefined || content === null ? stored : { ...stored, content }
}

/** A tool that cannot be read may hold credentials, too. */
function storedTool(tool: unknown): unknown {
  if (isTool(tool)) return echoedTool(tool)
  return isFields(tool) ? withoutCredentials(tool) : tool
}

function messageParts(content: unknown, role: unknown): unknown[] {
  const type = role === 'assistant' ? 'output_text' : 'input_text'
  const parts = Array.isArray(content) ? content : [content ?? []].flat()
  return parts.map((part) => withMembers(isFields(part) ? part : { type, text: String(part) }))
}

/** The members that the types of clients require. */
function withMembers(part: Fields): Fields {
  if (part.type === 'output_text') return { annotations: [], ...part }
  return part.type === 'input_image' ? { detail: 'auto', ...part } : part
}
