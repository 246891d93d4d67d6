import { invalidField } from '../../core/errors.ts'
import type { ApprovalRule, ApprovedCall, McpRequest, McpServer, McpTool, ToolFilter } from '../../core/mcp.ts'
import { truncate } from '../../core/truncate.ts'
import { type Fields, fieldsOf, isFields, listOf, textOr } from '../openai/json-fields.ts'
import type { ItemEntry } from './conversation-state.ts'
import type { FlatChoice, McpToolBody, ToolBody } from './schema.ts'

export function isMcpTool(tool: ToolBody): tool is McpToolBody {
  return tool.type === 'mcp'
}

/** A tool, and its path in the body. */
interface PlacedTool {
  tool: ToolBody
  path: string
}

/**
 * The servers of a body. What a server has listed in this conversation saves another list.
 * Errors: `invalid-request` for a server that has no address, or the label of another one.
 */
export function mcpServersOf(tools: readonly PlacedTool[], items: readonly ItemEntry[]): McpServer[] {
  const known = new Map(items.flatMap(({ item }) => listedBy(item)))
  const labels = new Set<string>()
  return tools.flatMap(({ tool, path }) => {
    if (!isMcpTool(tool)) return []
    const { server_label: label } = tool
    if (labels.has(label)) throw invalidField(`${path}.server_label`, `two servers are called \`${truncate(label)}\`.`)
    labels.add(label)
    const list = known.get(label)
    return [{ ...serverOf(tool, path), ...(list === undefined ? {} : { known: list }) }]
  })
}

function serverOf(tool: McpToolBody, path: string): McpServer {
  const { server_label, server_url, authorization, headers, server_description, allowed_tools, require_approval } = tool
  if (!server_url)
    throw tool.connector_id || tool.tunnel_id
      ? invalidField(
          `${path}.${tool.connector_id ? 'connector_id' : 'tunnel_id'}`,
          'connectors and tunnels are run by OpenAI alone; name the MCP server itself with server_url.',
        )
      : invalidField(`${path}.server_url`, 'the address of the MCP server is missing.')
  return {
    label: server_label,
    url: server_url,
    param: path,
    headers: { ...headers, ...(authorization ? { authorization: `Bearer ${withoutScheme(authorization)}` } : {}) },
    ...(server_description ? { description: server_description } : {}),
    ...(allowed_tools ? { allowed: filterOf(allowed_tools) } : {}),
    approval: approvalOf(require_approval),
  }
}

function withoutScheme(authorization: string): string {
  return authorization.replace(/^bearer\s+/i, '')
}

type FilterBody = NonNullable<McpToolBody['allowed_tools']>

function filterOf(filter: FilterBody): ToolFilter {
  if (Array.isArray(filter)) return { names: filter }
  const { tool_names: names, read_only: readOnly } = filter
  return { ...(names ? { names } : {}), ...(typeof readOnly === 'boolean' ? { readOnly } : {}) }
}

/** As in the official API, a person has to approve every call unless the body says otherwise. */
function approvalOf(rule: McpToolBody['require_approval']): ApprovalRule {
  if (!rule) return 'always'
  if (typeof rule === 'string') return rule
  const { always, never } = rule
  return { ...(always ? { always: filterOf(always) } : {}), ...(never ? { never: filterOf(never) } : {}) }
}

function listedBy(item: Fields): [label: string, tools: McpTool[]][] {
  if (item.type !== 'mcp_list_tools' || item.error) return []
  const tools = listOf(item.tools).map(fieldsOf)
  return [[textOr(item.server_label), tools.flatMap(listedTool)]]
}

function listedTool({ name, description, input_schema, annotations }: Fields): McpTool[] {
  if (typeof name !== 'string' || name === '') return []
  return [
    {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      inputSchema: isFields(input_schema) ? input_schema : { type: 'object', properties: {} },
      ...(isFields(annotations) ? { annotations } : {}),
    },
  ]
}

/** What the choice of a tool says about servers. Errors: `invalid-request` for a server that the body does not name. */
export function mcpRequestOf(
  servers: McpServer[],
  approved: ApprovedCall[],
  choice: FlatChoice | undefined,
  maxCalls: number | undefined,
): McpRequest | undefined {
  const chosen: Fields = typeof choice === 'object' && choice.type === 'mcp' ? choice : {}
  const server = textOr(chosen.server_label)
  if (server !== '' && !servers.some(({ label }) => label === server))
    throw invalidField('tool_choice', `the request offers no MCP server \`${truncate(server)}\`.`)
  const allowed = servers.flatMap((one) => allowedBy(one, choice))
  if (allowed.length === 0) return undefined
  const tool = textOr(chosen.name)
  return {
    servers: allowed,
    approved,
    ...(server === '' ? {} : { choice: { server, ...(tool === '' ? {} : { tool }) } }),
    ...(maxCalls === undefined ? {} : { maxCalls }),
  }
}

/** A list of allowed tools names servers, or single tools of them. */
function allowedBy(server: McpServer, choice: FlatChoice | undefined): McpServer[] {
  if (typeof choice !== 'object' || choice.type !== 'allowed_tools' || !('tools' in choice)) return [server]
  const named = listOf(choice.tools)
    .map(fieldsOf)
    .filter(({ type, server_label }) => type === 'mcp' && server_label === server.label)
  if (named.length === 0) return []
  if (named.some(({ name }) => !name)) return [server]
  const names = named.map(({ name }) => textOr(name))
  const before = server.allowed?.names
  return [
    {
      ...server,
      allowed: { ...server.allowed, names: before ? names.filter((name) => before.includes(name)) : names },
    },
  ]
}

/**
 * The server as it is repeated in a response, and stored: without its credentials. A path may hold one, too, so only
 * the host of the address is left, as in the official API.
 */
export function withoutCredentials({ authorization: _, headers, server_url, ...tool }: Fields): Fields {
  const names = Object.keys(fieldsOf(headers))
  return {
    ...tool,
    ...(typeof server_url === 'string' ? { server_url: hostAlone(server_url) } : {}),
    ...(names.length > 0 ? { headers: Object.fromEntries(names.map((name) => [name, '<redacted>'])) } : {}),
  }
}

function hostAlone(address: string): string {
  if (!URL.canParse(address)) return '<redacted>'
  const { protocol, host, pathname, search } = new URL(address)
  return `${protocol}//${host}${pathname === '/' && search === '' ? '/' : '/<redacted>'}`
}
