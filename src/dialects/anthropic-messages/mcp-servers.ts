import { invalidField } from '../../core/errors.ts'
import type { McpRequest, McpServer, McpTool } from '../../core/mcp.ts'
import { truncate } from '../../core/truncate.ts'
import { type Fields, fieldsOf, isFields, listOf, textOr } from '../openai/json-fields.ts'
import type { MessageEntry } from './conversation-entries.ts'
import type { MessagesBody } from './schema.ts'

type ServerBody = NonNullable<MessagesBody['mcp_servers']>[number]

/**
 * The servers of a body, in both forms of the API: with `tool_configuration` in the server itself (beta
 * `mcp-client-2025-04-04`), or with one `mcp_toolset` for each server in `tools` (`mcp-client-2025-11-20`).
 *
 * Errors: `invalid-request` for a server without address or with the name of another one, and for toolsets and servers
 * that do not belong together, as in the official API.
 */
export function mcpRequestOf(
  { mcp_servers, tools, tool_choice }: MessagesBody,
  entries: readonly MessageEntry[],
  headers: Headers,
): McpRequest | undefined {
  const servers = mcp_servers ?? []
  const toolsets = toolsetsOf(tools)
  const names = new Set<string>()
  for (const [index, { name }] of servers.entries()) {
    if (names.has(name))
      throw invalidField(`mcp_servers.${index}.name`, `two servers are called \`${truncate(name)}\`.`)
    names.add(name)
  }
  for (const { path, server } of toolsets.values())
    if (!names.has(server))
      throw invalidField(`${path}.mcp_server_name`, `no entry of mcp_servers is called \`${truncate(server)}\`.`)
  const needsToolset = toolsets.size > 0 || (headers.get('anthropic-beta')?.includes('mcp-client-2025-11') ?? false)
  const listed = listedIn(entries)
  const found = servers.flatMap((server, index): McpServer[] => {
    const param = `mcp_servers.${index}`
    const toolset = toolsets.get(server.name)
    if (needsToolset && toolset === undefined)
      throw invalidField(param, `the server \`${truncate(server.name)}\` needs an mcp_toolset in tools.`)
    if (server.tool_configuration?.enabled === false) return []
    const known = toolset?.listed ?? listed.get(server.name)
    return [
      {
        label: server.name,
        url: server.url,
        param,
        headers: headersOf(server),
        ...(toolset ? toolset.limits : limitsOf(server)),
        approval: 'never',
        ...(known ? { known } : {}),
      },
    ]
  })
  const mayCall = fieldsOf(tool_choice).type !== 'none' && tool_choice !== 'none'
  return found.length > 0 && mayCall ? { servers: found, approved: [] } : undefined
}

function headersOf({ authorization_token: token }: ServerBody): Record<string, string> {
  return token ? { authorization: `Bearer ${token.replace(/^bearer\s+/i, '')}` } : {}
}

type ToolLimits = Pick<McpServer, 'allowed' | 'except'>

function limitsOf({ tool_configuration }: ServerBody): ToolLimits {
  const names = tool_configuration?.allowed_tools
  return names ? { allowed: { names } } : {}
}

interface McpToolset {
  server: string
  path: string
  limits: ToolLimits
  /** The tools of the server, if the client names them. */
  listed: McpTool[] | undefined
}

/** The toolsets by the names of their servers. */
function toolsetsOf(tools: MessagesBody['tools']): Map<string, McpToolset> {
  const found = new Map<string, McpToolset>()
  for (const [index, tool] of (tools ?? []).entries()) {
    const fields: Fields = tool
    if (fields.type !== 'mcp_toolset') continue
    const path = `tools.${index}`
    const server = textOr(fields.mcp_server_name)
    if (server === '') throw invalidField(`${path}.mcp_server_name`, 'the name of an entry of mcp_servers is missing.')
    if (found.has(server)) throw invalidField(path, `the server \`${truncate(server)}\` has two toolsets.`)
    const listed = Array.isArray(fields.tools) ? toolsIn(fields.tools) : undefined
    found.set(server, { server, path, limits: toolsetLimits(fields), listed })
  }
  return found
}

/**
 * The tool's own entry decides whether it is enabled, otherwise the default. Deferred ones are offered: no search runs
 * here.
 */
function toolsetLimits({ configs, default_config }: Fields): ToolLimits {
  const entries = Object.entries(fieldsOf(configs)).map(([name, config]) => ({
    name,
    enabled: fieldsOf(config).enabled,
  }))
  const named = (enabled: boolean) => entries.flatMap((entry) => (entry.enabled === enabled ? [entry.name] : []))
  if (fieldsOf(default_config).enabled === false) return { allowed: { names: named(true) } }
  const except = named(false)
  return except.length > 0 ? { except } : {}
}

/** The lists in blocks `mcp_tool_listing` of the conversation, by the names of the servers. */
function listedIn(entries: readonly MessageEntry[]): Map<string, McpTool[]> {
  const found = new Map<string, McpTool[]>()
  for (const { blocks } of entries)
    for (const { block } of blocks) {
      const fields: Fields = block
      if (fields.type === 'mcp_tool_listing') found.set(textOr(fields.mcp_server_name), toolsIn(fields.tools))
    }
  return found
}

function toolsIn(tools: unknown): McpTool[] {
  return listOf(tools)
    .map(fieldsOf)
    .flatMap(({ name, description, input_schema }) =>
      typeof name === 'string' && name !== ''
        ? [
            {
              name,
              ...(typeof description === 'string' ? { description } : {}),
              inputSchema: isFields(input_schema) ? input_schema : { type: 'object', properties: {} },
            },
          ]
        : [],
    )
}
