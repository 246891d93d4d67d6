import { semaphore } from '../async/semaphore.ts'
import type { CallObserver } from '../core/call-observer.ts'
import { createClientRedactor } from '../core/client-secrets.ts'
import { cancelled, GatewayError, invalidField } from '../core/errors.ts'
import { isRecord, parseJson } from '../core/json.ts'
import {
  type ApprovedCall,
  type McpCall,
  type McpError,
  type McpItem,
  type McpRequest,
  type McpServer,
  type McpTool,
  mcpResultText,
  toolFilter,
} from '../core/mcp.ts'
import { mcpSecrets } from '../core/mcp-secrets.ts'
import { quote } from '../core/redact.ts'
import type { ChatRequest, Message, Tool, UserPart } from '../core/request.ts'
import { truncate } from '../core/truncate.ts'
import { admitted, type McpAccess, rejectForbidden } from './access.ts'
import { callTime } from './call-time.ts'
import { type ConnectionOptions, connect, type McpConnection } from './connection.ts'
import { failureOf } from './failure.ts'
import { type OfferedTool, type OfferedTools, offeredTools } from './offered-tools.ts'
import { partsOf, type ReadResult, refused, shortened } from './result.ts'

export interface McpLimits {
  /** The most rounds after which tools are called. */
  rounds: number
  callMs: number
  /** The time limit of all calls of a reply together. */
  totalMs: number
  /** Tools that are offered to the model. */
  tools: number
  /** The most characters of a result. */
  resultLength: number
}

export interface HostedToolsOptions extends Omit<ConnectionOptions, 'admissionOf'> {
  access: McpAccess
  limits: McpLimits
  /** Fires when the client has left. */
  signal: AbortSignal
  observer: CallObserver | undefined
  /** Resolves with whether this approval is used for the first time. Its errors end the request. */
  useApproval: (approval: string) => Promise<boolean>
}

/** The result of a call, for the client and for the model. */
export interface FinishedCall {
  call: McpCall
  parts: UserPart[]
}

/** The MCP servers of one reply. Nothing here outlives the reply. */
export interface HostedTools {
  /**
   * Adds to the request the tools of the servers and the results of calls that the client has approved. Errors:
   * `invalid-request` if a server cannot list its tools, or the servers offer too many.
   */
  completed(request: ChatRequest): Promise<ChatRequest>
  /** All tools of the servers. Empty until `completed` has resolved. */
  tools(): Tool[]
  /** The lists and calls that `completed` made, for the client. */
  prelude(): readonly McpItem[]
  /** The tool with this name in the request to the model. */
  toolOf(name: string): OfferedTool | undefined
  /** Runs a call. Rejects only if the client has left; every other failure is a result. */
  run(wanted: { id: string; name: string; arguments: string }): Promise<FinishedCall>
  /** The name of the limit that forbids further calls; `undefined` if none does. */
  exhausted(): string | undefined
  close(): void
}

/** The most servers of a reply, whose lists are read at the same time. Anthropic accepts as many. */
const mostServers = 20
/** The most calls of a reply that run at the same time. */
const mostAtOnce = 8

/** The result of `completed`. */
interface Prepared {
  offered: OfferedTools
  items: McpItem[]
  /** The results of approved calls, by call id. */
  results: ReadonlyMap<string, UserPart[]>
}

/** Errors: those of `rejectForbidden`; `invalid-request` for too many servers. */
export function createHostedTools(mcp: McpRequest, options: HostedToolsOptions): HostedTools {
  const { access, limits, clock, signal, observer, useApproval } = options
  const { [mostServers]: beyond } = mcp.servers
  if (beyond) throw tooManyServers(beyond, mcp)
  for (const server of mcp.servers) rejectForbidden(server, access)
  const redact = createClientRedactor(mcp.servers.flatMap(mcpSecrets))
  const time = callTime({ clock, signal, callMs: limits.callMs, totalMs: limits.totalMs })
  const connections = createConnections(options)
  const inTurn = semaphore(mostAtOnce)
  let preparing: Promise<Prepared> | undefined
  let prepared: Prepared | undefined
  let called = 0
  signal.addEventListener('abort', close, { once: true })

  return {
    async completed(request) {
      // The request is completed again for each upstream that is tried, but prepared once.
      preparing ??= prepare(request)
      prepared = await preparing
      const { offered, results } = prepared
      const messages = withResults(request.messages, results)
      if (mcp.choice) return { ...request, messages, ...offered.chosen(mcp.choice) }
      return { ...request, messages, tools: [...request.tools, ...offered.all()] }
    },
    tools: () => prepared?.offered.all() ?? [],
    prelude: () => prepared?.items ?? [],
    toolOf: (name) => prepared?.offered.named(name),
    async run({ id, name, arguments: args }) {
      const found = prepared?.offered.named(name)
      if (found === undefined) throw new Error('a tool that was not offered')
      const { server, tool } = found
      return await finished({ type: 'call', id, server: server.label, tool: tool.name, arguments: args }, server)
    },
    exhausted,
    close,
  }

  function exhausted(): string | undefined {
    if (mcp.maxCalls !== undefined && called >= mcp.maxCalls) return `max_tool_calls (${mcp.maxCalls})`
    return time.isUsedUp() ? `${limits.totalMs / 1000} s for all calls of a reply (MCP_TOTAL_MS)` : undefined
  }

  async function prepare({ tools }: ChatRequest): Promise<Prepared> {
    const lists = await Promise.all(mcp.servers.map(async (server) => ({ server, listed: await listOf(server) })))
    const count = lists.reduce((sum, { listed }) => sum + listed.length, 0)
    if (count > limits.tools) throw tooManyTools(count, limits, mcp)
    const offered = offeredTools(tools.map(({ name }) => name))
    for (const { server, listed } of lists) offered.add(server, listed)
    const shown = lists.filter(({ server }) => server.known === undefined)
    const approved = new Map(mcp.approved.map((call) => [call.approvalId, call]))
    const runs = await Promise.all([...approved.values()].map((call) => runApproved(call, offered)))
    return {
      offered,
      items: [
        ...shown.map(({ server, listed }): McpItem => ({ type: 'tools', server: server.label, tools: listed })),
        ...runs.map(({ call }) => call),
      ],
      results: new Map(runs.map(({ call, parts }) => [call.id, parts])),
    }
  }

  async function listOf(server: McpServer): Promise<McpTool[]> {
    const { label, param, allowed, except = [] } = server
    const listed = server.known ?? (await list(server))
    if (Array.isArray(listed)) {
      const isAllowed = allowed === undefined ? () => true : toolFilter(allowed)
      const excepted = new Set(except)
      return listed.filter((tool) => isAllowed(tool) && !excepted.has(tool.name))
    }
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

  async function runApproved(approved: ApprovedCall, offered: OfferedTools): Promise<FinishedCall> {
    const { callId: id, server, tool, arguments: args, approvalId } = approved
    const call: McpCall = { type: 'call', id, server, tool, arguments: args, approvalId }
    const found = offered.of(server, tool)
    if (found === undefined) return notMade(call, -32602, 'The request does not offer this tool any more.')
    const isAllowed = exhausted() !== undefined || (await useApproval(approvalId))
    return isAllowed ? await finished(call, found.server) : notMade(call, -32000, usedBefore)
  }

  async function finished(call: McpCall, server: McpServer): Promise<FinishedCall> {
    const limit = exhausted()
    const { result, images } = limit === undefined ? await callTool(call, server) : refused(limit)
    return { call: { ...call, result }, parts: partsOf(result, images) }
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
    const short = shortened(result, limits.resultLength, redact)
    end?.('output' in result ? `${result.output.length} characters` : quote(mcpResultText(short)))
    return { result: short, images }
  }

  /** A failure of the server is a result, too. Rejects with `cancelled` if the client has left. */
  async function within<Answer>(
    server: McpServer,
    work: (connection: McpConnection, callSignal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer | McpError> {
    try {
      return await time.within(async (callSignal) => await work(await connections.to(server, callSignal), callSignal))
    } catch (thrown) {
      if (signal.aborted || connections.areClosed()) throw cancelled()
      return failureOf(thrown, redact)
    }
  }

  function close(): void {
    signal.removeEventListener('abort', close)
    connections.close()
  }
}

/** One connection to each server, which its first call opens. If that fails, the next call tries again. */
function createConnections({ access, fetch, lookup, clock }: HostedToolsOptions) {
  const opened = new Map<McpServer, Promise<McpConnection>>()
  const connectionOptions = { fetch, lookup, clock, admissionOf: (url: URL) => admitted(url, access) }
  let isClosed = false
  return {
    areClosed: () => isClosed,
    to(server: McpServer, callSignal: AbortSignal): Promise<McpConnection> {
      const known = opened.get(server)
      if (known) return known
      const opening = connect(server, connectionOptions, callSignal)
      opened.set(server, opening)
      opening.then(
        (connection) => {
          if (isClosed) connection.close()
        },
        () => opened.delete(server),
      )
      return opening
    },
    close(): void {
      if (isClosed) return
      isClosed = true
      for (const opening of opened.values())
        opening.then(
          (connection) => connection.close(),
          () => {}, // it was never open
        )
    },
  }
}

const usedBefore =
  'This call was made before, by another request with the same approval, and is not made again. Its result is not known here.'

function notMade(call: McpCall, code: number, message: string): FinishedCall {
  const result = { error: { kind: 'protocol' as const, code, message } }
  return { call: { ...call, result }, parts: partsOf(result, []) }
}

function tooManyServers({ param }: McpServer, { servers }: McpRequest): GatewayError {
  return invalidField(param, `the request names ${servers.length} MCP servers, and may name ${mostServers}.`, {
    code: 'too_many_mcp_servers',
  })
}

function tooManyTools(count: number, { tools }: McpLimits, { servers }: McpRequest): GatewayError {
  return invalidField(
    servers[0]?.param ?? 'tools',
    `the MCP servers offer ${count} tools, and MCP_MAX_TOOLS is ${tools}. Name those that are needed in the list of allowed tools.`,
    { code: 'too_many_mcp_tools' },
  )
}

/** Inserts each result after its call. */
function withResults(messages: readonly Message[], results: ReadonlyMap<string, UserPart[]>): Message[] {
  if (results.size === 0) return [...messages]
  return messages.flatMap((message): Message[] => {
    if (message.role !== 'assistant') return [message]
    const answers = message.parts.flatMap((part): Message[] => {
      const parts = part.type === 'tool-call' ? results.get(part.id) : undefined
      return parts && part.type === 'tool-call' ? [{ role: 'tool', callId: part.id, parts, isError: false }] : []
    })
    return [message, ...answers]
  })
}
