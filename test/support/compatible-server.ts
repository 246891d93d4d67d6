import { isRecord } from '../../src/core/json.ts'

/** One request as the server received it. */
export interface Seen {
  path: string
  authorization: string | null
  body: Record<string, unknown>
}

export interface CompatibleServer {
  /** `http://127.0.0.1:40001/v1` */
  base: string
  seen: Seen[]
  /** Sets the replies to the next completions, one for each. Later ones get a greeting. */
  script(...replies: Response[]): void
  stop(): void
}

export interface CompatibleServerOptions {
  models?: object[]
  key?: string
}

/** A fake server of open weights on loopback, like vLLM. It accepts requests of OpenAI's API, and refuses wrong keys. */
export function compatibleServer({
  models = [{ id: 'zai-org/GLM-4.6-FP8', object: 'model', created: 1_774_000_000, max_model_len: 65_536 }],
  key,
}: CompatibleServerOptions = {}): CompatibleServer {
  const seen: Seen[] = []
  const replies: Response[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    reusePort: false,
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const authorization = request.headers.get('authorization')
      const body: unknown = request.method === 'POST' ? await request.json() : {}
      seen.push({ path: `${request.method} ${pathname}`, authorization, body: isRecord(body) ? body : {} })
      if (key !== undefined && authorization !== `Bearer ${key}`)
        return Response.json({ error: { message: 'Unauthorized', type: 'auth', code: 401 } }, { status: 401 })
      if (pathname === '/v1/models') return Response.json({ object: 'list', data: models })
      if (pathname !== '/v1/chat/completions') return Response.json({ detail: 'Not Found' }, { status: 404 })
      return replies.shift() ?? chunks({ content: 'Hello' })
    },
  })
  return {
    base: `http://127.0.0.1:${server.port}/v1`,
    seen,
    script: (...more) => void replies.push(...more),
    stop: () => void server.stop(true),
  }
}

/** A streamed reply of these deltas, ended as vLLM does: a reason, the count in a chunk of its own, `[DONE]`. */
export function chunks(...deltas: object[]): Response {
  const isCall = deltas.some((delta) => 'tool_calls' in delta)
  const told = [
    ...deltas.map((delta) => ({ choices: [{ index: 0, delta, finish_reason: null }] })),
    { choices: [{ index: 0, delta: {}, finish_reason: isCall ? 'tool_calls' : 'stop' }] },
    { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
  ]
  const text = told.map(
    (one) => `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', ...one })}\n\n`,
  )
  return new Response(`${text.join('')}data: [DONE]\n\n`, { headers: { 'content-type': 'text/event-stream' } })
}
