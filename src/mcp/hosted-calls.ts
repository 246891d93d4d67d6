import { semaphore } from '../async/semaphore.ts'
import type { CallObserver } from '../core/call-observer.ts'
import { createClientRedactor } from '../core/client-secrets.ts'
import { cancelled } from '../core/errors.ts'
import { isRecord, parseJson } from '../core/json.ts'
import {
  type McpCall,
  type McpError,
  type McpRequest,
  type McpServer,
  type McpTool,
  mcpResultText,
} from '../core/mcp.ts'
import { mcpSecrets } from '../core/mcp-secrets.ts'
import { quote } from '../core/redact.ts'
import type { UserPart } from '../core/request.ts'
import { admitted, type McpAccess } from './access.ts'
import { callTime } from './call-time.ts'
import { type ConnectionOptions, connect, type McpConnection } from './connection.ts'
import { failureOf } from './failure.ts'
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

export interface HostedCallsOptions extends Omit<ConnectionOptions, 'admissionOf'> {
  access: McpAccess
  limits: McpLimits
  /** Fires when the client has left. */
  signal: AbortSignal
  observer: CallObserver | undefined
}

/** The result of a call, for the client and for the model. */
export interface FinishedCall {
  call: McpCall
  parts: UserPart[]
}

/** The most calls of a reply that run at the same time. */
const mostAtOnce = 8

/** What one reply asks of its MCP servers, within the limits of time and number. */
export interface HostedCalls {
  /** The tools of a server, or why it does not list them. */
  list(server: McpServer): Promise<McpTool[] | McpError>
  /** Runs a call. A failure is a result, too; rejects with `cancelled` if the client has left. */
  run(call: McpCall, server: McpServer): Promise<FinishedCall>
  /** The name of the limit that forbids further calls; `undefined` if none does. */
  exhausted(): string | undefined
  close(): void
}

export function hostedCalls(mcp: McpRequest, options: HostedCallsOptions): HostedCalls {
  const { limits, clock, signal, observer } = options
  const redact = createClientRedactor(mcp.servers.flatMap(mcpSecrets))
  const time = callTime({ clock, signal, callMs: limits.callMs, totalMs: limits.totalMs })
  const connections = createConnections(options)
  const inTurn = semaphore(mostAtOnce)
  let called = 0

  return { list, run, exhausted, close: connections.close }

  function exhausted(): string | undefined {
    if (mcp.maxCalls !== undefined && called >= mcp.maxCalls) return `max_tool_calls (${mcp.maxCalls})`
    return time.isUsedUp() ? `${limits.totalMs / 1000} s for all calls of a reply (MCP_TOTAL_MS)` : undefined
  }

  async function list(server: McpServer): Promise<McpTool[] | McpError> {
    const end = observer?.runs(`${server.label}: list of tools`)
    const result = await within(server, async (connection, callSignal) => await connection.tools(callSignal))
    end?.(Array.isArray(result) ? `${result.length} tools` : result.message)
    return result
  }

  async function run(call: McpCall, server: McpServer): Promise<FinishedCall> {
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
}

/** One connection to each server, which its first call opens. If that fails, the next call tries again. */
function createConnections({ access, fetch, lookup, clock }: HostedCallsOptions) {
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
