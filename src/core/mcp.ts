/** Servers of the Model Context Protocol whose tools the gateway calls for the model, all within one reply. */
export interface McpRequest {
  servers: McpServer[]
  /** Calls of the conversation that the client has just approved: they run before the model is asked. */
  approved: ApprovedCall[]
  /** The model has to call this tool, or any tool of this server. */
  choice?: { server: string; tool?: string }
  /** Most calls in the reply. */
  maxCalls?: number
}

export interface McpServer {
  /** The client's name for it. */
  label: string
  url: string
  /** Its path in the body, for errors: `tools.0`. */
  param: string
  /** Sent with every request to the server. Their values are secrets. */
  headers: Record<string, string>
  description?: string
  /** The tools that may be called; all of them where absent. */
  allowed?: ToolFilter
  /** Names of tools that may not be called. */
  except?: string[]
  approval: ApprovalRule
  /** What the server has listed in an earlier reply. It is not asked again, then. */
  known?: McpTool[]
}

/** A tool matches if it fits every member. */
export interface ToolFilter {
  names?: string[]
  readOnly?: boolean
}

export type ApprovalRule = 'never' | 'always' | { always?: ToolFilter; never?: ToolFilter }

/** A tool as its server lists it. */
export interface McpTool {
  name: string
  description?: string
  /** JSON schema of the arguments. */
  inputSchema: Record<string, unknown>
  annotations?: Record<string, unknown>
}

export interface ApprovedCall {
  /** Id of the call in the messages of the request. They hold no result for it. */
  callId: string
  server: string
  tool: string
  arguments: string
  /** The client's name for the approval. */
  approvalId: string
}

/** Something that the gateway did with a server, or wants to do, for the client to see. */
export type McpItem =
  | { type: 'tools'; server: string; tools: McpTool[] }
  | McpCall
  /** The client has to approve this call in its next request. */
  | { type: 'approval'; server: string; tool: string; arguments: string }

export interface McpCall {
  type: 'call'
  id: string
  server: string
  tool: string
  /** Raw JSON text. */
  arguments: string
  approvalId?: string
  /** Absent while the call runs. */
  result?: McpResult
}

export type McpResult = { output: string } | { error: McpError }

/** `tool`: the tool ran and reports a failure. `http`: with the status as its code. `protocol`: anything else. */
export interface McpError {
  kind: 'tool' | 'http' | 'protocol'
  code: number
  message: string
}

/** An item begins, or is complete. Only calls take time; other items begin and end at once. */
export interface McpStep {
  type: 'mcp-start' | 'mcp-end'
  item: McpItem
}

/** The model's name for a tool of a server. Two servers may have tools of the same name. */
export function mcpToolName(server: string, tool: string): string {
  return `${server}__${tool}`
}

/** The words of a result, also of a failed one. */
export function mcpResultText(result: McpResult): string {
  return 'output' in result ? result.output : result.error.message
}

/** Whether a tool matches a filter. Both the tools and the names of a filter may be many thousands. */
export function toolFilter({ names, readOnly }: ToolFilter): (tool: McpTool) => boolean {
  const known = names && new Set(names)
  return ({ name, annotations }) => {
    const isReadOnly = annotations?.readOnlyHint === true
    return (known === undefined || known.has(name)) && (readOnly === undefined || readOnly === isReadOnly)
  }
}

/** Whether the client wants to approve calls of a tool. A tool that no part of a rule names needs an approval if in doubt. */
export function needsApproval(tool: McpTool, rule: ApprovalRule): boolean {
  if (typeof rule === 'string') return rule === 'always'
  if (rule.always && toolFilter(rule.always)(tool)) return true
  return rule.never === undefined ? rule.always === undefined : !toolFilter(rule.never)(tool)
}
