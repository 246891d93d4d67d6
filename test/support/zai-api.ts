import type { Fetch } from '../../src/http-client/send.ts'
import { eventStream, fieldOf, json } from './chat-zai.ts'

/** One request as the API received it. */
export interface Seen {
  /** `POST /api/paas/v4/chat/completions` */
  route: string
  headers: Record<string, string>
  key: string | undefined
  /** Parsed JSON, or `undefined` without a body. */
  body: unknown
  signal: AbortSignal
}

export type Reply = Response | ((seen: Seen) => Response | Promise<Response>)

/** A fake of the official API. It answers by default, sends scripted replies on request, and refuses what the real one refuses. */
export interface ScriptedApi {
  /** Handles requests in this process. Only the path matters, not the host. */
  fetch: Fetch
  /** The same API on a loopback port, for tests that need real sockets. */
  listen(): { baseUrl: string; stop: () => void }
  seen: Seen[]
  /** The requests to one route, oldest first. */
  to(route: string): Seen[]
  /** Sets the replies to the next requests to the route, one for each. Later requests get the default reply. */
  script(route: string, ...replies: Reply[]): void
  /** Sets the reply to every completion with this key. */
  refuse(key: string, reply: () => Response): void
}

export const origin = 'https://api.z.ai'
export const baseUrl = `${origin}/api/paas/v4`
export const chatRoute = 'POST /api/paas/v4/chat/completions'
export const modelsRoute = 'GET /api/paas/v4/models'
export const quotaRoute = 'GET /api/monitor/usage/quota/limit'

/** `complete` answers valid requests without a scripted reply. */
export function scriptedApi(
  keys: readonly string[] = ['key-1'],
  complete: (seen: Seen) => Response = () => answer('Hello', ' there.'),
): ScriptedApi {
  const scripts = new Map<string, Reply[]>()
  const refusals = new Map<string, () => Response>()
  const requestIds = new Set<string>()

  const usual: Record<string, (seen: Seen) => Response> = {
    [chatRoute]: (seen) => fault(seen.body, requestIds) ?? complete(seen),
    [modelsRoute]: () =>
      json({
        object: 'list',
        data: ['glm-4.6', 'glm-5.9-next', 'cogview-4', 'glm-asr'].map((id) => ({
          id,
          object: 'model',
          created: 1_774_000_000,
          owned_by: 'z-ai',
        })),
      }),
    [quotaRoute]: () => json({ code: 200, msg: 'Operation successful', success: true, data: { limits: [] } }),
  }

  const api: ScriptedApi = {
    seen: [],
    fetch: (url, init) => handle(new Request(url, { ...init, signal: null }), init.signal ?? undefined),
    listen() {
      const server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: (request) => handle(request) })
      return { baseUrl: `http://127.0.0.1:${server.port}/api/paas/v4`, stop: () => void server.stop(true) }
    },
    to: (route) => api.seen.filter((seen) => seen.route === route),
    script: (route, ...replies) => void scripts.set(route, [...(scripts.get(route) ?? []), ...replies]),
    refuse: (key, reply) => void refusals.set(key, reply),
  }
  return api

  async function handle(request: Request, signal: AbortSignal = request.signal): Promise<Response> {
    const headers = Object.fromEntries(request.headers)
    const text = await request.text()
    const seen: Seen = {
      route: `${request.method} ${new URL(request.url).pathname}`,
      headers,
      key: headers.authorization?.replace(/^Bearer /, ''),
      body: text === '' ? undefined : JSON.parse(text),
      signal,
    }
    api.seen.push(seen)
    const scripted = scripts.get(seen.route)?.shift()
    if (scripted !== undefined) return typeof scripted === 'function' ? scripted(seen) : scripted
    const usually = usual[seen.route]
    // The error of the real router.
    if (usually === undefined) return json({ code: 500, msg: '404 NOT_FOUND', success: false })
    if (seen.key === undefined) return refusal(401, '1001', 'Header parameter Authorization is missing.')
    if (!keys.includes(seen.key)) return refusal(401, '1002', 'Invalid Authorization token.')
    return refusals.get(seen.key)?.() ?? usually(seen)
  }
}

/** A complete reply in the API's chunks. */
export function answer(...texts: string[]): Response {
  const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }
  return chunks(...texts.map((content) => ({ delta: { content } })), { finish_reason: 'stop', usage })
}

export interface ChunkFacts {
  delta?: object
  finish_reason?: string
  usage?: object
  web_search?: object[]
}

export function chunks(...facts: ChunkFacts[]): Response {
  return eventStream(`${facts.map((fact) => `data: ${chunkText(fact)}\n\n`).join('')}data: [DONE]\n\n`)
}

/** The `data` of one chunk. */
export function chunkText({ delta = {}, finish_reason, ...rest }: ChunkFacts): string {
  return JSON.stringify({
    id: '20260320120000abcdef',
    created: 1_774_000_000,
    object: 'chat.completion.chunk',
    model: 'glm-4.7',
    choices: [{ index: 0, ...(finish_reason ? { finish_reason } : {}), delta: { role: 'assistant', ...delta } }],
    ...rest,
  })
}

export function refusal(status: number, code: string, message: string): Response {
  return json({ error: { code, message } }, status)
}

/** What the API refuses in a request, according to its reference and to reports of its users. */
export function fault(body: unknown, requestIds = new Set<string>()): Response | undefined {
  const found = faultIn(body, requestIds)
  return found && refusal(400, ...found)
}

type Fault = [code: string, message: string]

const fields = new Set(
  'model messages request_id user_id do_sample stream thinking reasoning_effort temperature top_p max_tokens tool_stream tools tool_choice stop response_format seed stream_options'.split(
    ' ',
  ),
)

function faultIn(body: unknown, requestIds: Set<string>): Fault | undefined {
  if (typeof body !== 'object' || body === null) return ['1213', 'The body was not received normally.']
  const stranger = Object.keys(body).find((name) => !fields.has(name))
  if (stranger !== undefined) return ['1210', `Invalid API parameter: ${stranger}`]
  const at = (name: string) => fieldOf(body, name)
  const model = at('model')
  if (typeof model !== 'string' || !/^glm-\d[\w.-]*$/.test(model)) return ['1211', 'Unknown Model.']
  const requestId = at('request_id')
  if (requestId !== undefined) {
    if (!isText(requestId, 6, 64)) return ['1210', 'request_id: 6 to 64 characters']
    if (requestIds.has(requestId)) return ['1231', 'request_id already in use']
    requestIds.add(requestId)
  }
  return messagesFault(at('messages'), model) ?? settingsFault(at, model) ?? toolsFault(at)
}

function settingsFault(at: (name: string) => unknown, model: string): Fault | undefined {
  const [generation, vision] = generationOf(model)
  const effort = at('reasoning_effort')
  const efforts =
    generation >= 503 ? ['low', 'high', 'max'] : ['max', 'xhigh', 'high', 'medium', 'low', 'minimal', 'none']
  const thinking = at('thinking')
  const stop = at('stop')
  const maxTokens = at('max_tokens')
  const checks: [boolean, string][] = [
    [at('user_id') === undefined || isText(at('user_id'), 6, 128), 'user_id: 6 to 128 characters'],
    [at('stream') === undefined || typeof at('stream') === 'boolean', 'stream: a boolean'],
    [at('temperature') === undefined || isDecimal(at('temperature'), 0), 'temperature: 0 to 1, two decimals'],
    [at('top_p') === undefined || isDecimal(at('top_p'), 0.01), 'top_p: 0.01 to 1, two decimals'],
    [
      maxTokens === undefined ||
        (typeof maxTokens === 'number' &&
          Number.isInteger(maxTokens) &&
          maxTokens >= 1 &&
          maxTokens <= longestOutput(model)),
      'max_tokens: 1 to the limit of the model',
    ],
    [
      stop === undefined || (Array.isArray(stop) && stop.length <= 4 && stop.every((one) => isText(one, 1, 1000))),
      'stop: an array of one to four texts',
    ],
    [
      at('response_format') === undefined ||
        /^(text|json_object)$/.test(String(fieldOf(at('response_format'), 'type'))),
      'response_format: text or json_object',
    ],
    [
      thinking === undefined || (generation >= 405 && /^(enabled|disabled)$/.test(String(fieldOf(thinking, 'type')))),
      'thinking: enabled or disabled',
    ],
    [
      generation < 503 || fieldOf(thinking, 'type') !== 'disabled',
      `${model} always engages in thinking; use low, high, or max`,
    ],
    [
      effort === undefined || (generation >= 502 && !vision && efforts.includes(String(effort))),
      `reasoning_effort: ${efforts.join(', ')}`,
    ],
    [at('tool_stream') === undefined || generation >= 406, 'tool_stream: not for this model'],
  ]
  const failed = checks.find(([fine]) => !fine)
  return failed && ['1210', `Invalid API parameter, ${failed[1]}`]
}

function toolsFault(at: (name: string) => unknown): Fault | undefined {
  if (at('tool_choice') !== undefined && at('tool_choice') !== 'auto') return ['1210', 'Tool choice must be auto']
  const tools = at('tools')
  if (tools === undefined) return undefined
  if (!Array.isArray(tools) || tools.length === 0 || tools.length > 128) return ['1210', 'tools: one to 128']
  for (const tool of tools) {
    const type = fieldOf(tool, 'type')
    if (type === 'function') {
      const described = fieldOf(tool, 'function')
      if (!isToolName(fieldOf(described, 'name'))) return ['1214', 'tools: a function needs a legal name']
      if (fieldOf(fieldOf(described, 'parameters'), 'type') !== 'object') return ['1214', 'tools: parameters']
    } else if (type === 'web_search') {
      const search = fieldOf(tool, 'web_search')
      if (!/^search_(std|pro|pro_jina)$/.test(String(fieldOf(search, 'search_engine'))))
        return ['1210', 'search_engine']
    } else return ['1210', 'tools: unknown type']
  }
  return undefined
}

function messagesFault(messages: unknown, model: string): Fault | undefined {
  if (!Array.isArray(messages) || messages.length === 0)
    return ['1213', 'The prompt parameter was not received normally.']
  if (!messages.some((message) => fieldOf(message, 'role') === 'user')) return ['1214', 'messages: no user turn']
  let awaited: unknown[] = []
  for (const [index, message] of messages.entries()) {
    const illegal = (why: string): Fault => ['1214', `The messages parameter is illegal: messages[${index}] ${why}`]
    const role = fieldOf(message, 'role')
    const content = fieldOf(message, 'content')
    if (awaited.length > 0 && role !== 'tool') return illegal('a tool call before it has no result')
    switch (role) {
      case 'system':
        if (!isText(content)) return illegal('needs text')
        break
      case 'user':
        if (!isText(content) && !arePartsOf(content, model)) return illegal('needs text, or parts the model can read')
        break
      case 'assistant': {
        const calls = fieldOf(message, 'tool_calls')
        if (typeof content !== 'string') return illegal('needs text, if empty')
        if (calls === undefined && content === '') return illegal('is empty')
        if (calls !== undefined && (!Array.isArray(calls) || !calls.every(isCall))) return illegal('has a bad call')
        awaited = Array.isArray(calls) ? calls.map((call) => fieldOf(call, 'id')) : []
        break
      }
      case 'tool': {
        if (!isText(content) && !(/^glm-5\.3-flash/.test(model) && arePartsOf(content, model)))
          return illegal('needs text')
        const id = fieldOf(message, 'tool_call_id')
        if (!awaited.includes(id)) return illegal('answers no call')
        awaited.splice(awaited.indexOf(id), 1)
        break
      }
      default:
        return illegal('has an unknown role')
    }
  }
  return awaited.length > 0 ? ['1214', 'messages: a tool call at the end has no result'] : undefined
}

function arePartsOf(content: unknown, model: string): boolean {
  if (!Array.isArray(content) || content.length === 0 || !sees.test(model)) return false
  return content.every((part) => {
    const type = String(fieldOf(part, 'type'))
    if (type === 'text') return isText(fieldOf(part, 'text'))
    const known = remoteParts.find((remote) => remote.type === type)
    return known?.models.test(model) === true && known.url.test(String(fieldOf(fieldOf(part, type), 'url')))
  })
}

/** The facts of each model, from the vendor's guides. */
const sees = /^glm-(4\.1v|4\.5v|4\.6v|5v|5\.3-flash|5\.4|6)/
const remoteParts = [
  { type: 'image_url', models: sees, url: /^(https?:\/\/|data:image\/)/ },
  { type: 'video_url', models: sees, url: /^(https?:\/\/|data:video\/)/ },
  { type: 'file_url', models: /^glm-(4\.5v|4\.6v|5v|5\.4|6)/, url: /^https?:\/\// },
]

function isCall(call: unknown): boolean {
  const described = fieldOf(call, 'function')
  const written = fieldOf(described, 'arguments')
  const good =
    isText(fieldOf(call, 'id')) && fieldOf(call, 'type') === 'function' && isToolName(fieldOf(described, 'name'))
  if (!good || typeof written !== 'string') return false
  try {
    const value: unknown = JSON.parse(written)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** `glm-4.6v` → 406, true */
function generationOf(model: string): [generation: number, vision: boolean] {
  const [, major = '0', minor = '0', vision = ''] = /^glm-(\d)(?:\.(\d))?(v)?/.exec(model) ?? []
  return [Number(major) * 100 + Number(minor), vision !== '']
}

function longestOutput(model: string): number {
  const [generation, vision] = generationOf(model)
  if (vision) return generation >= 500 ? 131_072 : generation >= 406 ? 32_768 : 16_384
  return generation >= 406 ? 131_072 : generation >= 405 ? 98_304 : 16_384
}

function isToolName(value: unknown): boolean {
  return typeof value === 'string' && /^[a-zA-Z0-9_-]{1,64}$/.test(value)
}

function isText(value: unknown, least = 1, most = Number.POSITIVE_INFINITY): value is string {
  return typeof value === 'string' && value.length >= least && value.length <= most
}

function isDecimal(value: unknown, least: number): boolean {
  return typeof value === 'number' && value >= least && value <= 1 && Number(value.toFixed(2)) === value
}
