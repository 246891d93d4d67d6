// The first import takes longer than the shortest limit in these tests.
import '@modelcontextprotocol/client'
import { apiUpstream } from '../support/api-upstream.ts'
import { type GatewaySettings, gatewayApp } from '../support/gateway.ts'
import { type McpServerScript, type RunningMcpServer, said, startMcpServer, tool } from '../support/mcp-server.ts'
import { answer, chatRoute, chunks, type Reply, type ScriptedApi, scriptedApi } from '../support/zai-api.ts'

export { answer, chatRoute, chunks }

/** A script of a server with one tool. */
export const lookup = { tools: [tool('lookup')], call: () => said('A is a letter.') }

/** Answers `tools/call` in the place of the server. */
export const inCall = (reply: (id: unknown) => Response | Promise<Response>) => ({
  ...lookup,
  intercept: (_request: Request, body: string) => {
    const { method, id } = JSON.parse(body || '{}')
    return method === 'tools/call' ? reply(id) : undefined
  },
})

export const eventStream = { 'content-type': 'text/event-stream' }

export function stream(
  start: (controller: ReadableStreamDefaultController<Uint8Array>) => void,
  cancel = () => {},
): Response {
  return new Response(new ReadableStream({ start, cancel }), { headers: eventStream })
}

export const bytes = (text: string) => new TextEncoder().encode(text)

/** A reply of the model that calls tools. */
export function calls(...called: (readonly [name: string, args?: object | string, id?: string])[]): Response {
  return chunks(
    ...called.map(([name, args = {}, id = `call_${name}`], index) => ({
      delta: {
        tool_calls: [
          { index, id, function: { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) } },
        ],
      },
    })),
    { finish_reason: 'tool_calls', usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } },
  )
}

export interface World {
  api: ScriptedApi
  lines: string[]
  server: RunningMcpServer
  /** Scripts the model's replies, one a round. */
  model(...replies: Reply[]): void
  /** What the model was sent in a round, from 0. */
  asked(round: number): {
    messages: Record<string, unknown>[]
    tools?: { function: { name: string } }[]
    [field: string]: unknown
  }
  responses(fields: object, init?: RequestInit): Promise<Response>
  messages(fields: object, init?: RequestInit): Promise<Response>
  /** The entry of `tools` for the server. */
  tool(more?: object): object
  /** The entry of `mcp_servers` for it. */
  entry(more?: object): object
  app: ReturnType<typeof gatewayApp>
}

const started: { stop(): unknown }[] = []

/** Stops what the worlds of a test have started. */
export async function stopWorlds(): Promise<void> {
  for (const one of started.splice(0)) await one.stop()
}

export function world(script: McpServerScript, settings: GatewaySettings = {}): World {
  const server = startMcpServer(script)
  const api = scriptedApi()
  const upstream = apiUpstream({ origin: 'http://127.0.0.1:1', key: 'key-1', fetch: api.fetch, idleMs: 5_000 })
  const lines: string[] = []
  const app = gatewayApp([upstream], { ...settings, mcp: { rules: [server.host], ...settings.mcp } }, lines)
  started.push(server)
  const post = (path: string, body: object, init: RequestInit = {}) =>
    app.handle(
      new Request(`http://localhost${path}`, {
        method: 'POST',
        body: JSON.stringify({ model: 'glm-4.6', ...body }),
        ...init,
      }),
    )
  return {
    ...{ api, lines, server, app },
    model: (...replies) => api.script(chatRoute, ...replies),
    asked: (round) => {
      const body = api.to(chatRoute)[round]?.body
      if (typeof body !== 'object' || body === null) throw new Error(`the model was not asked ${round + 1} times`)
      return body as ReturnType<World['asked']>
    },
    responses: (fields, init) => post('/v1/responses', { input: 'Look it up.', ...fields }, init),
    messages: (fields, init) =>
      post(
        '/v1/messages',
        { max_tokens: 1_000, messages: [{ role: 'user', content: 'Look it up.' }], ...fields },
        { headers: { 'anthropic-version': '2023-06-01' }, ...init },
      ),
    tool: (more) => ({ type: 'mcp', server_label: 's', server_url: server.url, require_approval: 'never', ...more }),
    entry: (more) => ({ type: 'url', name: 's', url: server.url, ...more }),
  }
}

/** The `data` of each event of a stream. */
export async function eventsOf(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text()
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data))
}

/** What is read here of replies and errors of both APIs. */
export interface WireReply {
  id: string
  status: string
  output: WireItem[]
  content: WireItem[]
  stop_reason: string
  usage: object
  error: { code: string; message: string; param: string; type: string }
}

interface WireItem {
  id: string
  type: string
  name?: string
  [member: string]: unknown
}

export async function jsonOf(response: Response): Promise<WireReply> {
  return await response.json()
}

export function lastOf({ output }: WireReply): WireItem {
  const item = output.at(-1)
  if (item === undefined) throw new Error('the reply has no items')
  return item
}
