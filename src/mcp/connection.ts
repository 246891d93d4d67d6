import type { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import { isRecord, parseJson } from '../core/json.ts'
import type { McpServer, McpTool } from '../core/mcp.ts'
import type { Lookup } from '../http-client/dns.ts'
import type { Fetch } from '../http-client/send.ts'
import { statusOf } from './failure.ts'
import { guardedFetch } from './guarded-fetch.ts'
import { type ReadResult, readResult } from './result.ts'
import type { Admission } from './server-rules.ts'

export interface ConnectionOptions {
  fetch: Fetch
  lookup: Lookup
  clock: Clock
  admissionOf: (url: URL) => Admission | undefined
}

/** One session with a server. It belongs to one reply. */
export interface McpConnection {
  /** Errors: what the SDK throws, `refusal` of guarded-fetch.ts, or a GatewayError of the list itself. */
  tools(signal: AbortSignal): Promise<McpTool[]>
  /** Errors: as those of `tools`. A failure that the tool reports is a result. */
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<ReadResult>
  /** Ends what is under way, and tells the server. */
  close(): void
}

/** The most bytes of a response body: a page of the list, the result of a call, or a whole stream of the older transport. */
const maxBodyBytes = 8 * 1024 * 1024
/** The most tools of one list. */
const maxListed = 20_000
const maxPages = 200
/** How long the end of a session may take. */
const goodbyeMs = 2_000
/** After the end of a body, its last message may still be on the way through the SDK. */
const readingMs = 250
/** Answers to requests of the server, such as pings, that are on their way to it at the same time. */
const mostAnswers = 8
/** Its timers would run beside those of the gateway, which end each call. */
const noTimeout = { timeout: 2 ** 31 - 1 }

/**
 * Connects by Streamable HTTP or, where the server does not know it, by the older transport of SSE.
 *
 * The SDK is imported when the first server is used: it takes 25 MB (Bun 1.4.5), which a gateway without
 * servers does not spend.
 */
export async function connect(
  server: McpServer,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<McpConnection> {
  try {
    return await open(server, 'http', options, signal)
  } catch (thrown) {
    if (signal.aborted || !isUnknownTransport(thrown)) throw thrown
    return await open(server, 'sse', options, signal)
  }
}

/** What a server of the older transport answers to the first POST. */
function isUnknownTransport(thrown: unknown): boolean {
  return [400, 404, 405].includes(statusOf(thrown) ?? 0)
}

async function open(
  server: McpServer,
  kind: 'http' | 'sse',
  { fetch, lookup, clock, admissionOf }: ConnectionOptions,
  signal: AbortSignal,
): Promise<McpConnection> {
  const { Client } = await import('@modelcontextprotocol/client')
  const lifetime = new AbortController()
  // By the id of JSON-RPC.
  const unanswered = new Set<number | string>()
  let isOver = false
  const guarded = guardedFetch({
    ...{ fetch, lookup, admissionOf, headers: server.headers, maxBytes: maxBodyBytes },
    onSent(body) {
      for (const id of requestIds(body)) unanswered.add(id)
    },
    onEnd(body, isResumable, refused) {
      // The older transport has all answers in one stream.
      const ids = kind === 'sse' && body === '' ? [...unanswered] : requestIds(body)
      if (isOver || isResumable || (kind === 'sse' && body !== '')) return
      clock.after(readingMs, () => {
        for (const id of ids) breakOff(id, refused ?? 'it closed the connection before it answered.')
      })
    },
  })
  const transport = await transportOf(kind, server.url, withFewAnswers(guarded))
  transport.onmessage = (message) => {
    if ('id' in message && message.id !== undefined && !('method' in message)) unanswered.delete(message.id)
  }
  const client: Client = new Client({ name: 'zai2api', version: '1' }, { capabilities: {}, jsonSchemaValidator })
  await during(signal, (options) => client.connect(transport, options)).catch((thrown) => {
    close()
    throw thrown
  })

  return {
    tools,
    async call(tool, args, callSignal) {
      const params = { name: tool, arguments: args }
      const request = { method: 'tools/call' as const, params }
      return readResult(await during(callSignal, (options) => client.request(request, options)))
    },
    close,
  }

  async function tools(listSignal: AbortSignal): Promise<McpTool[]> {
    const found: McpTool[] = []
    let cursor: string | undefined
    for (let page = 0; page < maxPages && found.length <= maxListed; page++) {
      const request = { method: 'tools/list' as const, params: cursor === undefined ? {} : { cursor } }
      const list = await during(listSignal, (options) => client.request(request, options))
      for (const { name, description, inputSchema, annotations } of list.tools)
        found.push({
          ...{ name, inputSchema },
          ...(description === undefined ? {} : { description }),
          ...(annotations === undefined ? {} : { annotations }),
        })
      if (list.nextCursor === undefined) return found
      cursor = list.nextCursor
    }
    throw new GatewayError('invalid-request', `it lists more than ${maxListed} tools, or more than ${maxPages} pages.`)
  }

  /** Once a request is answered, no signal may reach the SDK: it would tell the server that the request is cancelled. */
  async function during<Answer>(
    callSignal: AbortSignal,
    request: (options: { timeout: number; signal: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> {
    const own = new AbortController()
    const abort = () => own.abort(cancelled())
    const signals = [callSignal, lifetime.signal]
    if (signals.some(({ aborted }) => aborted)) throw cancelled()
    for (const one of signals) one.addEventListener('abort', abort)
    try {
      return await request({ ...noTimeout, signal: own.signal })
    } finally {
      for (const one of signals) one.removeEventListener('abort', abort)
    }
  }

  /** A request whose stream has ended would wait for ever: the SDK does not tell it. */
  function breakOff(id: number | string, message: string): void {
    if (isOver || !unanswered.delete(id)) return
    transport.onmessage?.({ jsonrpc: '2.0', id, error: { code: -32000, message } })
  }

  function close(): void {
    if (isOver) return
    isOver = true
    lifetime.abort()
    const end = () => void client.close().catch(() => {})
    if (!('terminateSession' in transport) || transport.sessionId === undefined) {
      end()
      return
    }
    const stop = clock.after(goodbyeMs, end)
    transport
      .terminateSession()
      .catch(() => {}) // the session is over for this client in any case
      .finally(() => {
        stop()
        end()
      })
  }
}

async function transportOf(
  kind: 'http' | 'sse',
  url: string,
  guarded: ReturnType<typeof guardedFetch>,
): Promise<StreamableHTTPClientTransport | SSEClientTransport> {
  if (kind === 'sse') {
    const { SSEClientTransport } = await import('@modelcontextprotocol/client')
    return new SSEClientTransport(new URL(url), { fetch: guarded, eventSourceInit: { fetch: guarded } })
  }
  const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client')
  return new StreamableHTTPClientTransport(new URL(url), { fetch: withoutOpenStream(guarded) })
}

/**
 * Nothing is awaited from a server but answers. A stream for its own messages is not opened; a stream that broke off is
 * taken up again.
 */
function withoutOpenStream(guarded: ReturnType<typeof guardedFetch>): typeof guarded {
  return async (input, init) => {
    const isOpenStream = init?.method === 'GET' && !new Headers(init.headers).has('last-event-id')
    return isOpenStream ? new Response(null, { status: 405 }) : guarded(input, init)
  }
}

/**
 * The SDK answers whatever a server requests, each with a POST. A stream full of requests would have thousands of
 * connections opened, so answers beyond a few are not sent.
 */
function withFewAnswers(guarded: ReturnType<typeof guardedFetch>): typeof guarded {
  let underWay = 0
  return async (input, init) => {
    if (init?.method !== 'POST' || typeof init.body !== 'string' || !isAnswer(init.body)) return guarded(input, init)
    if (underWay >= mostAnswers) return new Response(null, { status: 202 })
    underWay++
    try {
      return await guarded(input, init)
    } finally {
      underWay--
    }
  }
}

function isAnswer(body: string): boolean {
  const message = parseJson(body)
  return !isRecord(message) || !('method' in message)
}

/** Nothing here compiles the schemas that a server sends: that would be its work for the gateway. */
const jsonSchemaValidator = {
  getValidator: () => () => ({ valid: false as const, data: undefined, errorMessage: 'not validated' }),
}

/** The ids of the requests in a body that is sent. */
function requestIds(body: string): (number | string)[] {
  const message = parseJson(body)
  if (!isRecord(message) || !('method' in message)) return []
  return typeof message.id === 'number' || typeof message.id === 'string' ? [message.id] : []
}
