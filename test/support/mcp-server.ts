import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js'

export interface McpServerScript {
  tools: Tool[]
  /** The default echoes its arguments. */
  call?: (name: string, args: Record<string, unknown>, signal: AbortSignal) => CallToolResult | Promise<CallToolResult>
  /** Tools in one answer to `tools/list`. */
  pageSize?: number
  /** Answers in the place of the server. */
  intercept?: (request: Request, body: string) => Response | Promise<Response> | undefined
  /** Answers with JSON in place of a stream. */
  json?: boolean
}

export interface RunningMcpServer {
  /** `http://127.0.0.1:40000/mcp` */
  url: string
  /** `127.0.0.1:40000` */
  host: string
  script: McpServerScript
  /** `tools/list`, `tools/call lookup` and the like, in order; `DELETE` for the end of a session. */
  seen: string[]
  headers: Record<string, string>[]
  /** Sessions that have begun and not ended. */
  open(): number
  stop(): Promise<void>
}

/** A server of the official SDK on a free port of loopback. */
export function startMcpServer(script: McpServerScript): RunningMcpServer {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const seen: string[] = []
  const headers: Record<string, string>[] = []
  const http = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      const body = await request.clone().text()
      headers.push(Object.fromEntries(request.headers))
      note(request, body)
      const intercepted = running.script.intercept?.(request, body)
      if (intercepted !== undefined) return await intercepted
      const session = sessions.get(request.headers.get('mcp-session-id') ?? '')
      return await (session ?? (await begin())).handleRequest(request)
    },
  })
  const running: RunningMcpServer = {
    url: `http://127.0.0.1:${http.port}/mcp`,
    host: `127.0.0.1:${http.port}`,
    ...{ script, seen, headers },
    open: () => sessions.size,
    stop: () => http.stop(true),
  }
  return running

  function note(request: Request, body: string): void {
    if (request.method !== 'POST') seen.push(request.method)
    else {
      const { method = 'answer', params } = JSON.parse(body) as { method?: string; params?: { name?: string } }
      seen.push(params?.name ? `${method} ${params.name}` : method)
    }
  }

  async function begin(): Promise<WebStandardStreamableHTTPServerTransport> {
    const server = new Server({ name: 'scripted', version: '1' }, { capabilities: { tools: {} } })
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
      const { tools, pageSize = tools.length } = running.script
      const from = Number(params?.cursor ?? 0)
      const next = from + pageSize
      return { tools: tools.slice(from, next), ...(next < tools.length ? { nextCursor: String(next) } : {}) }
    })
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
      const { call = echo } = running.script
      return await call(params.name, params.arguments ?? {}, signal)
    })
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      enableJsonResponse: running.script.json ?? false,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    })
    await server.connect(transport)
    return transport
  }
}

export function echo(name: string, args: Record<string, unknown>): CallToolResult {
  return said(`${name} ${JSON.stringify(args)}`)
}

export function said(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}

export function tool(name: string, more: Partial<Tool> = {}): Tool {
  return {
    name,
    description: `Does ${name}.`,
    inputSchema: { type: 'object', properties: { q: { type: 'string' } } },
    ...more,
  }
}
