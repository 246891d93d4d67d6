import { GatewayError, invalidField } from '../core/errors.ts'
import {
  type ApprovedCall,
  type McpCall,
  type McpItem,
  type McpRequest,
  type McpServer,
  type McpTool,
  toolFilter,
} from '../core/mcp.ts'
import type { ChatRequest, Message, Tool, UserPart } from '../core/request.ts'
import { truncate } from '../core/truncate.ts'
import { rejectForbidden } from './access.ts'
import { type FinishedCall, type HostedCallsOptions, hostedCalls, type McpLimits } from './hosted-calls.ts'
import { type OfferedTool, type OfferedTools, offeredTools } from './offered-tools.ts'
import { partsOf } from './result.ts'

export interface HostedToolsOptions extends HostedCallsOptions {
  /** Resolves with whether this approval is used for the first time. Its errors end the request. */
  useApproval: (approval: string) => Promise<boolean>
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
/** The result of `completed`. */
interface Prepared {
  offered: OfferedTools
  items: McpItem[]
  /** The results of approved calls, by call id. */
  results: ReadonlyMap<string, UserPart[]>
}

/** Errors: those of `rejectForbidden`; `invalid-request` for too many servers. */
export function createHostedTools(mcp: McpRequest, options: HostedToolsOptions): HostedTools {
  const { access, limits, signal, useApproval } = options
  const { [mostServers]: beyond } = mcp.servers
  if (beyond) throw tooManyServers(beyond, mcp)
  for (const server of mcp.servers) rejectForbidden(server, access)
  const calls = hostedCalls(mcp, options)
  let preparing: Promise<Prepared> | undefined
  let prepared: Prepared | undefined
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
      return await calls.run({ type: 'call', id, server: server.label, tool: tool.name, arguments: args }, server)
    },
    exhausted: calls.exhausted,
    close,
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
    const listed = server.known ?? (await calls.list(server))
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

  async function runApproved(approved: ApprovedCall, offered: OfferedTools): Promise<FinishedCall> {
    const { callId: id, server, tool, arguments: args, approvalId } = approved
    const call: McpCall = { type: 'call', id, server, tool, arguments: args, approvalId }
    const found = offered.of(server, tool)
    if (found === undefined) return notMade(call, -32602, 'The request does not offer this tool any more.')
    const isAllowed = calls.exhausted() !== undefined || (await useApproval(approvalId))
    return isAllowed ? await calls.run(call, found.server) : notMade(call, -32000, usedBefore)
  }

  function close(): void {
    signal.removeEventListener('abort', close)
    calls.close()
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
function withResults(messages: readonly Message[], results: ReadonlyMap<string, UserPart[]>): readonly Message[] {
  if (results.size === 0) return messages
  return messages.flatMap((message): Message[] => {
    if (message.role !== 'assistant') return [message]
    const answers = message.parts.flatMap((part): Message[] => {
      const parts = part.type === 'tool-call' ? results.get(part.id) : undefined
      return parts && part.type === 'tool-call' ? [{ role: 'tool', callId: part.id, parts, isError: false }] : []
    })
    return [message, ...answers]
  })
}
