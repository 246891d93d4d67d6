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

/** A session with a server, for one reply. */
export interface McpConnection {
  /** Errors: those of the SDK, `refusal` of guarded-fetch.ts, or a GatewayError for a list that is too long. */
  tools(signal: AbortSignal): Promise<McpTool[]>
  /** Errors: those of the SDK and `refusal`. A failure that the tool reports is a result. */
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<ReadResult>
  /** Ends the requests under way, and tells the server that the session is over. */
  close(): void
}

/**
 * The most bytes of a response body, which is a page of the list, the result of a call, or a whole stream of the older
 * transport.
 */
const maxBodyBytes = 8 * 1024 * 1024
/** The most tools of one list. */
const maxListed = 20_000
const maxPages = 200
/** The time limit for telling the server that the session is over. */
const goodbyeMs = 2_000
/** The time that the SDK gets to process the last message after the end of a body. */
const readingMs = 250
/** The most answers that are being sent at the same time to requests of the server, such as pings. */
const mostAnswers = 8
/** The SDK's own timeouts are off, because the gateway ends each call. */
const noTimeout = { timeout: 2 ** 31 - 1 }

/**
 * Connects by Streamable HTTP or, if the server does not support it, by the older SSE transport.
 *
 * The SDK is imported when the first server is used, because it takes 25 MB (Bun 1.4.5).
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

/** Whether the error has a status with which servers of the older transport answer the first POST. */
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
  // JSON-RPC ids of requests that are not answered yet.
  const unanswered = new Set<number | string>()
  let isOver = false
  const guarded = guardedFetch({
    ...{ fetch, lookup, admissionOf, headers: server.headers, maxBytes: maxBodyBytes },
    onSent(body) {
      for (const id of requestIds(body)) unanswered.add(id)
    },
    onEnd(body, isResumable, refused) {
      // The older transport sends all answers in one stream, so its end leaves all requests unanswered.
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
    tools: (listSignal) =>
      allTools((cursor) => {
        const request = { method: 'tools/list' as const, params: cursor === undefined ? {} : { cursor } }
        return during(listSignal, (options) => client.request(request, options))
      }),
    async call(tool, args, callSignal) {
      const params = { name: tool, arguments: args }
      const request = { method: 'tools/call' as const, params }
      return readResult(await during(callSignal, (options) => client.request(request, options)))
    },
    close,
  }

  function during<Answer>(callSignal: AbortSignal, request: CancellableRequest<Answer>): Promise<Answer> {
    return runDuring([callSignal, lifetime.signal], request)
  }

  /** Ends a request whose stream has ended, because the SDK would let it wait for ever. */
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

interface ToolPage {
  tools: McpTool[]
  nextCursor?: string | undefined
}

/** The tools of all pages of a list. Errors: `invalid-request` for a list without an end, and those of `pageAt`. */
async function allTools(pageAt: (cursor: string | undefined) => Promise<ToolPage>): Promise<McpTool[]> {
  const found: McpTool[] = []
  let cursor: string | undefined
  for (let page = 0; page < maxPages && found.length <= maxListed; page++) {
    const list = await pageAt(cursor)
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

type CancellableRequest<Answer> = (options: { timeout: number; signal: AbortSignal }) => Promise<Answer>

/**
 * Runs a request with a signal of its own, which does not abort any more once the request is answered. Otherwise the
 * SDK would tell the server that an answered request is cancelled.
 */
async function runDuring<Answer>(
  signals: readonly AbortSignal[],
  request: CancellableRequest<Answer>,
): Promise<Answer> {
  const own = new AbortController()
  const abort = () => own.abort(cancelled())
  if (signals.some(({ aborted }) => aborted)) throw cancelled()
  for (const one of signals) one.addEventListener('abort', abort)
  try {
    return await request({ ...noTimeout, signal: own.signal })
  } finally {
    for (const one of signals) one.removeEventListener('abort', abort)
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
 * Prevents the SDK from opening a stream for messages of the server itself, because only answers are needed. A stream
 * that broke off may be resumed.
 */
function withoutOpenStream(guarded: ReturnType<typeof guardedFetch>): typeof guarded {
  return async (input, init) => {
    const isOpenStream = init?.method === 'GET' && !new Headers(init.headers).has('last-event-id')
    return isOpenStream ? new Response(null, { status: 405 }) : guarded(input, init)
  }
}

/**
 * Limits the number of answers under way. The SDK answers each request of the server with a POST, so a stream full of
 * requests would open thousands of connections. Answers beyond the limit are not sent.
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

/** Replaces the SDK's validator, so that a server cannot cost the gateway time with schemas to compile. */
const jsonSchemaValidator = {
  getValidator: () => () => ({ valid: false as const, data: undefined, errorMessage: 'not validated' }),
}

/** The ids of the requests in a body that is sent. */
function requestIds(body: string): (number | string)[] {
  const message = parseJson(body)
  if (!isRecord(message) || !('method' in message)) return []
  return typeof message.id === 'number' || typeof message.id === 'string' ? [message.id] : []
}
