import { invalidField } from '../core/errors.ts'
import { type McpRequest, type McpServer, type McpTool, mcpToolName, needsApproval } from '../core/mcp.ts'
import type { ChatRequest, Tool } from '../core/request.ts'
import { truncate } from '../core/truncate.ts'

/** A tool that the model may call. */
export interface OfferedTool {
  server: McpServer
  tool: McpTool
  needsApproval: boolean
}

/** The tools of all servers of a reply, by their names in the request to the model. */
export interface OfferedTools {
  /** Adds the tools of a server. A name that is taken already, by the client or another server, gets a number. */
  add(server: McpServer, tools: readonly McpTool[]): void
  named(name: string): OfferedTool | undefined
  of(server: string, tool: string): OfferedTool | undefined
  all(): Tool[]
  /**
   * The tools and the tool choice of a request that demands a call of a server or a tool. Errors: `invalid-request` if
   * there is no such tool.
   */
  chosen(choice: NonNullable<McpRequest['choice']>): Pick<ChatRequest, 'tools' | 'toolChoice'>
}

/** `clientNames`: the names of the client's own tools. */
export function offeredTools(clientNames: readonly string[]): OfferedTools {
  const taken = new Set(clientNames)
  const offered = new Map<string, OfferedTool>()
  // The last number that was added to each name. A server may list thousands of tools with the same name.
  const numbers = new Map<string, number>()

  return {
    add(server, tools) {
      for (const tool of tools) {
        const name = mcpToolName(server.label, tool.name)
        let free = name
        let n = numbers.get(name) ?? 1
        while (taken.has(free)) free = `${name}_${++n}`
        numbers.set(name, n)
        taken.add(free)
        offered.set(free, { server, tool, needsApproval: needsApproval(tool, server.approval) })
      }
    },
    named: (name) => offered.get(name),
    of: (server, tool) => [...offered.values()].find((one) => one.server.label === server && one.tool.name === tool),
    all: () => [...offered].map(([name, found]) => asTool(name, found)),
    chosen({ server, tool }) {
      const tools = [...offered].flatMap(([name, found]) =>
        found.server.label === server && (tool === undefined || tool === found.tool.name) ? [asTool(name, found)] : [],
      )
      const [first] = tools
      if (first === undefined)
        throw invalidField(
          'tool_choice',
          `no MCP server of the request has this tool: \`${truncate(tool ?? server)}\`.`,
        )
      return { tools, toolChoice: tool === undefined ? 'required' : { name: first.name } }
    },
  }
}

function asTool(name: string, { server, tool }: OfferedTool): Tool {
  const description = [server.description, tool.description].filter((text) => text).join('\n\n')
  return { name, clientName: tool.name, description, parameters: tool.inputSchema }
}
