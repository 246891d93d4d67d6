import { semaphore } from '../async/semaphore.ts'
import type { CallObserver } from '../core/call-observer.ts'
import { cancelled, GatewayError, invalidField } from '../core/errors.ts'
import { isRecord, parseJson } from '../core/json.ts'
import { createRedactor } from '../core/known-secrets.ts'
import {
  type ApprovedCall,
  type McpCall,
  type McpError,
  type McpItem,
  type McpRequest,
  type McpServer,
  type McpTool,
  matchesFilter,
  mcpToolName,
  needsApproval,
} from '../core/mcp.ts'
import { mcpSecrets } from '../core/mcp-secrets.ts'
import type { ChatRequest, Message, Tool, UserPart } from '../core/request.ts'
import { truncate } from '../core/truncate.ts'
import { type ConnectionOptions, connect, type McpConnection } from './connection.ts'
import { failureOf, tooLate } from './failure.ts'
import { partsOf, type ReadResult, refused, shortened } from './result.ts'
import { admissionOf, type ServerRules } from './server-rules.ts'

export interface McpLimits {
  /** Upstream replies after which tools may be called. */
  rounds: number
  callMs: number
  /** For all calls of a reply together. */
  totalMs: number
  /** Tools that are offered to the model. */
  tools: number
  /** Characters of a result. */
  resultLength: number
}

export interface SessionOptions extends Omit<ConnectionOptions, 'admissionOf'> {
  /** The rules of the gateway and of the caller's key; any server that the gateway allows where undefined. */
  rules: ServerRules
  callerRules: ServerRules | undefined
  limits: McpLimits
  /** Fires when the client has left. */
  signal: AbortSignal
  observer: CallObserver | undefined
}

/** What the model may call, and under which name. */
export interface OfferedTool {
  server: McpServer
  tool: McpTool
  needsApproval: boolean
}

/** The result of a call, for the client and for the model. */
export interface FinishedCall {
  call: McpCall
  parts: UserPart[]
}

/** The servers of one reply. Nothing of it outlives the reply. */
export interface McpSession {
  /** The request with the tools of the servers, and with the results of calls that the client has approved. */
  completed(request: ChatRequest): Promise<ChatRequest>
  /** All tools of the servers, once `completed` has resolved. */
  tools(): Tool[]
  /** What `completed` did, for the client. */
  prelude(): readonly McpItem[]
  /** The tool that the model knows by a name. */
  toolOf(name: string): OfferedTool | undefined
  /** Runs a call. Never rejects, but for a client that has left: a failure is a result. */
  run(wanted: { id: string; name: string; arguments: string }): Promise<FinishedCall>
  /** The name of the limit that forbids further calls; `undefined` if none does. */
  exhausted(): string | undefined
  close(): void
}

/** Calls of a reply that run at the same time. */
const mostAtOnce = 8

/** Errors: `forbidden` for a server that the gateway or the caller's key does not allow. */
export function createSession(mcp: McpRequest, options: SessionOptions): McpSession {
  const { rules, callerRules, limits, clock, signal, observer } = options
  for (const server of mcp.servers) rejectForbidden(server, rules, callerRules)
  const redact = createRedactor(mcp.servers.flatMap(mcpSecrets))
  const connections = new Map<McpServer, Promise<McpConnection>>()
  const offered = new Map<string, OfferedTool>()
  const inTurn = semaphore(mostAtOnce)
  const items: McpItem[] = []
  let prepared: Promise<Map<string, UserPart[]>> | undefined
  let leftMs = limits.totalMs
  let called = 0
  let busy = 0
  let busySince = 0
  let isOver = false
  signal.addEventListener('abort', close, { once: true })

  return {
    async completed(request) {
      prepared ??= prepare(request)
      const results = await prepared
      const tools = [...offered].flatMap(([name, found]) => (isChoosable(found) ? [asTool(name, found)] : []))
      return {
        ...request,
        messages: withResults(request.messages, results),
        tools: mcp.choice ? tools : [...request.tools, ...tools],
        toolChoice: mcp.choice ? chosen(mcp.choice) : request.toolChoice,
      }
    },
    tools: () => [...offered].map(([name, found]) => asTool(name, found)),
    prelude: () => items,
    toolOf: (name) => offered.get(name),
    async run({ id, name, arguments: args }) {
      const found = offered.get(name)
      if (found === undefined) throw new Error('a tool that was not offered')
      const { server, tool } = found
      return await finished({ type: 'call', id, server: server.label, tool: tool.name, arguments: args }, server)
    },
    exhausted,
    close,
  }

  function exhausted(): string | undefined {
    if (mcp.maxCalls !== undefined && called >= mcp.maxCalls) return `max_tool_calls (${mcp.maxCalls})`
    return leftMs <= 0 ? `${limits.totalMs / 1000} s for all calls of a reply (MCP_TOTAL_MS)` : undefined
  }

  /** Lists the tools, and runs the approved calls. Resolves with their results, by the ids of the calls. */
  async function prepare({ tools }: ChatRequest): Promise<Map<string, UserPart[]>> {
    const lists = await Promise.all(mcp.servers.map(async (server) => ({ server, tools: await listOf(server) })))
    const taken = new Set(tools.map(({ name }) => name))
    for (const { server, tools } of lists) {
      for (const tool of tools)
        offered.set(freeName(server, tool, taken), {
          server,
          tool,
          needsApproval: needsApproval(tool, server.approval),
        })
      if (server.known === undefined) items.push({ type: 'tools', server: server.label, tools })
    }
    if (offered.size > limits.tools)
      throw invalidField(
        mcp.servers[0]?.param ?? 'tools',
        `the MCP servers offer ${offered.size} tools, and MCP_MAX_TOOLS is ${limits.tools}. Name those that are needed in the list of allowed tools.`,
        { code: 'too_many_mcp_tools' },
      )
    const runs = await Promise.all(mcp.approved.map(runApproved))
    items.push(...runs.map(({ call }) => call))
    return new Map(runs.map(({ call, parts }) => [call.id, parts]))
  }

  function freeName(server: McpServer, tool: McpTool, taken: Set<string>): string {
    const name = mcpToolName(server.label, tool.name)
    let free = name
    for (let n = 2; taken.has(free); n++) free = `${name}_${n}`
    taken.add(free)
    return free
  }

  async function listOf(server: McpServer): Promise<McpTool[]> {
    const { label, param, allowed, except = [] } = server
    const listed = server.known ?? (await list(server))
    if (Array.isArray(listed))
      return listed.filter(
        (tool) => (allowed === undefined || matchesFilter(tool, allowed)) && !except.includes(tool.name),
      )
    throw new GatewayError(
      'invalid-request',
      `The tools of the MCP server \`${truncate(label)}\` could not be listed: ${listed.message}`,
      { code: 'mcp_list_tools_failed', param, status: 424 },
    )
  }

  async function list(server: McpServer): Promise<McpTool[] | McpError> {
    const end = observer?.runs(`${server.label}: list of tools`)
    const result = await within(server, async (connection, callSignal) => await connection.tools(callSignal))
    end?.(Array.isArray(result) ? `${result.length} tools` : result.message)
    return result
  }

  async function runApproved({
    callId,
    server: label,
    tool,
    arguments: args,
    approvalId,
  }: ApprovedCall): Promise<FinishedCall> {
    const call: McpCall = { type: 'call', id: callId, server: label, tool, arguments: args, approvalId }
    const found = [...offered.values()].find((one) => one.server.label === label && one.tool.name === tool)
    if (found) return await finished(call, found.server)
    const message = 'The request does not offer this tool any more.'
    const result = { error: { kind: 'protocol' as const, code: -32602, message } }
    return { call: { ...call, result }, parts: partsOf(result, []) }
  }

  async function finished(call: McpCall, server: McpServer): Promise<FinishedCall> {
    const over = exhausted()
    const { result, images } = over === undefined ? await callTool(call, server) : refused(over)
    const clean = shortened(result, limits.resultLength)
    return { call: { ...call, result: clean }, parts: partsOf(clean, images) }
  }

  async function callTool({ server: label, tool, arguments: args }: McpCall, server: McpServer): Promise<ReadResult> {
    called++
    const values = parseJson(args)
    const end = observer?.runs(`${label}: ${tool}`)
    const read = await inTurn(
      () =>
        within(server, (connection, callSignal) => connection.call(tool, isRecord(values) ? values : {}, callSignal)),
      signal,
    )
    const { result, images } = 'result' in read ? read : { result: { error: read }, images: [] }
    end?.('output' in result ? `${result.output.length} characters` : result.error.message)
    if ('output' in result) return { result: { output: redact(result.output) }, images }
    return { result: { error: { ...result.error, message: redact(result.error.message) } }, images }
  }

  /** Within the time of one call, and what is left of that for all. Rejects with `cancelled` if the client has left. */
  async function within<Answer>(
    server: McpServer,
    work: (connection: McpConnection, callSignal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer | McpError> {
    const isLast = leftMs < limits.callMs
    const ms = isLast ? leftMs : limits.callMs
    const deadline = new AbortController()
    const stop = clock.after(Math.max(0, ms), () => deadline.abort())
    spend()
    busy++
    try {
      const callSignal = AbortSignal.any([signal, deadline.signal])
      return await work(await connectionTo(server, callSignal), callSignal)
    } catch (thrown) {
      if (signal.aborted || isOver) throw cancelled()
      if (deadline.signal.aborted) return tooLate(ms, isLast ? 'MCP_TOTAL_MS' : 'MCP_CALL_MS')
      return failureOf(thrown, redact)
    } finally {
      stop()
      spend()
      busy--
    }
  }

  /** The time of calls that run at once counts once. */
  function spend(): void {
    const now = clock.monotonic()
    if (busy > 0) leftMs -= now - busySince
    busySince = now
  }

  function connectionTo(server: McpServer, callSignal: AbortSignal): Promise<McpConnection> {
    const known = connections.get(server)
    if (known) return known
    const opening = connect(server, { ...options, admissionOf: (url) => admitted(url, rules, callerRules) }, callSignal)
    connections.set(server, opening)
    opening.then(
      (connection) => {
        if (isOver) connection.close()
      },
      () => connections.delete(server),
    )
    return opening
  }

  function isChoosable({ server, tool }: OfferedTool): boolean {
    const { choice } = mcp
    return (
      choice === undefined ||
      (choice.server === server.label && (choice.tool === undefined || choice.tool === tool.name))
    )
  }

  function chosen(choice: NonNullable<McpRequest['choice']>): ChatRequest['toolChoice'] {
    const found = [...offered].filter(([, one]) => isChoosable(one))
    const [first] = found
    if (first === undefined)
      throw invalidField(
        'tool_choice',
        `no MCP server of the request has this tool: \`${truncate(choice.tool ?? choice.server)}\`.`,
      )
    return choice.tool === undefined ? 'required' : { name: first[0] }
  }

  function close(): void {
    if (isOver) return
    isOver = true
    signal.removeEventListener('abort', close)
    for (const opening of connections.values())
      opening.then(
        (connection) => connection.close(),
        () => {},
      )
  }
}

function asTool(name: string, { server, tool }: OfferedTool): Tool {
  const description = [server.description, tool.description].filter((text) => text).join('\n\n')
  return { name, clientName: tool.name, description, parameters: tool.inputSchema }
}

/** Puts each result behind the results that follow its call. */
function withResults(messages: readonly Message[], results: ReadonlyMap<string, UserPart[]>): Message[] {
  if (results.size === 0) return [...messages]
  return messages.flatMap((message): Message[] => {
    if (message.role !== 'assistant') return [message]
    const own = message.parts.flatMap((part) => {
      const parts = part.type === 'tool-call' ? results.get(part.id) : undefined
      return parts && part.type === 'tool-call'
        ? [{ role: 'tool' as const, callId: part.id, parts, isError: false }]
        : []
    })
    return [message, ...own]
  })
}

function admitted(url: URL, rules: ServerRules, callerRules: ServerRules | undefined) {
  if (callerRules !== undefined && admissionOf(url, callerRules) === undefined) return undefined
  return admissionOf(url, rules)
}

function rejectForbidden(
  { label, url, param }: McpServer,
  rules: ServerRules,
  callerRules: ServerRules | undefined,
): void {
  const name = `MCP server \`${truncate(label)}\``
  if (rules.length === 0)
    throw invalidField(
      param,
      `the ${name} cannot be used: this gateway calls no MCP servers. Its operator can allow hosts with MCP_SERVERS.`,
      { code: 'mcp_servers_off' },
    )
  if (!URL.canParse(url)) throw invalidField(param, 'the address of the MCP server is not a URL.')
  const address = new URL(url)
  if (admissionOf(address, rules) === undefined)
    throw forbidden(
      `The ${name} is at \`${truncate(address.host)}\`, which MCP_SERVERS of this gateway does not allow.`,
      param,
    )
  if (callerRules !== undefined && admissionOf(address, callerRules) === undefined)
    throw forbidden(
      `The ${name} is at \`${truncate(address.host)}\`, which the \`mcp_servers\` of this key do not allow.`,
      param,
    )
}

function forbidden(message: string, param: string): GatewayError {
  return new GatewayError('forbidden', message, { code: 'mcp_server_not_allowed', param })
}
