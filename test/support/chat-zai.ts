import { createHmac } from 'node:crypto'
import type { Fetch } from '../../src/http-client/send.ts'
import type { ZaiWebOptions } from '../../src/upstreams/zai-web/index.ts'

/** One request as the site received it. */
export interface Seen {
  /** `POST /api/v2/chat/completions`, without the query. */
  route: string
  query: Record<string, string>
  headers: Record<string, string>
  token: string | undefined
  /** Parsed JSON, or the parts of a form; `undefined` without a body. */
  body: unknown
  signal: AbortSignal
}

export type Reply = Response | ((seen: Seen) => Response | Promise<Response>)

/** A fake chat.z.ai. It answers like the site by default, and with scripted replies on request. */
export interface ChatZai {
  /** Handles requests in this process. Only the path matters, not the host. */
  fetch: Fetch
  /** The same site on a loopback port, for tests that need real sockets. */
  listen(): { url: string; stop: () => void }
  seen: Seen[]
  /** The requests to one route, oldest first: `DELETE /api/v1/chats/`. */
  to(route: string): Seen[]
  /** Sets the replies to the next requests to the route, one for each. Later requests get the default reply. */
  script(route: string, ...replies: Reply[]): void
  /** Discards unused replies that were set for the route. */
  clear(route: string): void
  /** Registers an account and returns its token. */
  addAccount(name: string): string
  /** The site stops knowing the token: 401 everywhere, and a fresh guest from `auths`. */
  revoke(token: string): void
  /** The account's next check hands out a new token; the old one is revoked. */
  rollOver(token: string): void
  /** Whether completions must be signed correctly; `false` means that they must not be signed. */
  signed: boolean
}

export interface ChatZaiOptions {
  /** The clock for the time limit of signatures. Without it any time is accepted. */
  now?: () => number
  completionPath?: string
  signingKey?: string
}

interface Person {
  id: string
  email: string
  name: string
  role: 'guest' | 'user'
}

export const completionRoute = 'POST /api/v2/chat/completions'
export const signingKey = 'key-@@@@)))()((9))-xxxx&&&%%%%%'

export function chatZai(options: ChatZaiOptions = {}): ChatZai {
  const people = new Map<string, Person>()
  const rolling = new Set<string>()
  const scripts = new Map<string, Reply[]>()
  let serial = 0
  const completion = options.completionPath === undefined ? completionRoute : `POST ${options.completionPath}`

  const usual: Record<string, (seen: Seen) => Response> = {
    'GET /': () => new Response(indexPage('prod-fe-1.1.98'), { headers: { 'content-type': 'text/html' } }),
    'GET /api/config': () => json({ status: true, completion_version: 2, features: { enable_captcha: false } }),
    'GET /api/v1/auths/': auths,
    'GET /api/models': (seen) =>
      known(seen) ??
      json({ data: [webModel('glm-4.7', 'GLM-4.7'), webModel('glm-4.6v', 'GLM-4.6V', { vision: true })] }),
    'POST /api/v1/chats/new': (seen) => known(seen) ?? json({ id: uuid('0c0c0c0c'), title: 'New Chat' }),
    'POST /api/v1/files/': (seen) => known(seen) ?? uploaded(seen),
    'DELETE /api/v1/chats/': (seen) => known(seen) ?? json(true),
    [completion]: (seen) => known(seen) ?? signatureFault(seen) ?? answer('Hello', ' there.'),
  }

  const zai: ChatZai = {
    seen: [],
    signed: true,
    fetch: (url, init) => {
      const { signal } = init
      return abortable(handle(new Request(url, { ...init, signal: null }), signal ?? undefined), signal ?? undefined)
    },
    listen() {
      const server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: (request) => handle(request) })
      return { url: `http://127.0.0.1:${server.port}`, stop: () => void server.stop(true) }
    },
    to: (route) => zai.seen.filter((seen) => seen.route === route),
    script: (route, ...replies) => void scripts.set(route, [...(scripts.get(route) ?? []), ...replies]),
    clear: (route) => void scripts.delete(route),
    addAccount: (name) =>
      admit({ id: uuid('0a0a0a0a'), email: `${name.toLowerCase()}@example.com`, name, role: 'user' }),
    revoke: (token) => void people.delete(token),
    rollOver: (token) => void rolling.add(token),
  }
  return zai

  async function handle(request: Request, signal: AbortSignal = request.signal): Promise<Response> {
    const url = new URL(request.url)
    const headers = Object.fromEntries(request.headers)
    const seen: Seen = {
      route: `${request.method} ${url.pathname}`,
      query: Object.fromEntries(url.searchParams),
      headers,
      token: headers.authorization?.replace(/^Bearer /, ''),
      body: await bodyOf(request),
      signal,
    }
    zai.seen.push(seen)
    const scripted = scripts.get(seen.route)?.shift()
    if (scripted !== undefined) return typeof scripted === 'function' ? scripted(seen) : scripted
    return usual[seen.route]?.(seen) ?? json({ detail: 'Not Found' }, 404)
  }

  function admit(person: Person): string {
    const token = jwt({ id: person.id, email: person.email }, serial++)
    people.set(token, person)
    return token
  }

  function auths({ token }: Seen): Response {
    const person = token === undefined ? undefined : people.get(token)
    if (token === undefined || person === undefined) {
      const name = `Guest-${1_760_000_000_000 + serial}`
      const guest: Person = { id: uuid('0b0b0b0b'), email: `${name.toLowerCase()}@guest.com`, name, role: 'guest' }
      return session(admit(guest), guest)
    }
    if (!rolling.delete(token)) return session(token, person)
    people.delete(token)
    return session(admit(person), person)
  }

  function session(token: string, person: Person): Response {
    return json({
      ...person,
      token,
      token_type: 'Bearer',
      expires_at: null,
      idp: 'z.ai',
      phone_num: null,
      permissions: {},
    })
  }

  function known({ token }: Seen): Response | undefined {
    return token !== undefined && people.has(token) ? undefined : json({ detail: '401 Unauthorized' }, 401)
  }

  function uploaded({ body }: Seen): Response {
    const file = body instanceof Map ? body.get('file') : undefined
    if (!(file instanceof File)) return json({ detail: 'file is missing' }, 422)
    const meta = {
      name: file.name,
      content_type: file.type,
      size: file.size,
      data: {},
      cdn_url: `https://cdn.example.com/${file.name}`,
    }
    return json({ id: uuid('0f0f0f0f'), user_id: uuid('0a0a0a0a'), hash: null, filename: file.name, data: {}, meta })
  }

  /** An independent implementation, against which the gateway's signature is checked. */
  function signatureFault({ query, headers, body, token }: Seen): Response | undefined {
    if (!zai.signed) return undefined
    const { timestamp = '', requestId, user_id: userId } = query
    const prompt = fieldOf(body, 'signature_prompt')
    const canonical = `requestId,${requestId},timestamp,${timestamp},user_id,${userId}|${Buffer.from(String(prompt)).toString('base64')}|${timestamp}`
    const derived = hmac(options.signingKey ?? signingKey, String(Math.floor(Number(timestamp) / 300_000)))
    const skew = options.now === undefined ? 0 : Math.abs(options.now() - Number(timestamp))
    const good =
      headers['x-signature'] === hmac(derived, canonical) &&
      query.signature_timestamp === timestamp &&
      query.token === token &&
      people.get(token ?? '')?.id === userId &&
      prompt === lastUserText(body) &&
      skew <= 300_000
    return good ? undefined : json({ detail: '403: Signature validation failed: 签名验证失败' }, 400)
  }

  function uuid(head: string): string {
    return `${head}-0000-4000-8000-${String(++serial).padStart(12, '0')}`
  }
}

/** The upstream for this site with its default settings and without tokens. */
export const webDefaults: ZaiWebOptions = {
  baseUrl: 'https://chat.z.ai',
  completionPath: '/api/v2/chat/completions',
  tokens: [],
  backupToken: undefined,
  anonymous: true,
  frontEndVersion: 'prod-fe-1.1.98',
  signingKey,
  sign: true,
  createChat: true,
  messagesMode: 'flatten',
  tools: true,
  scanLimit: 200_000,
  guestTtlMs: 480_000,
  modelsTtlMs: 600_000,
  idleMs: 120_000,
  headersTimeoutMs: 60_000,
  maxImageBytes: 20_000_000,
}

/** A complete reply in the site's frames. */
export function answer(...texts: string[]): Response {
  return frames(
    ...texts.map((text) => ({ delta_content: text, phase: 'answer' })),
    { usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }, phase: 'other' },
    { done: true, phase: 'done', delta_content: '' },
  )
}

/** An error inside a 200 stream, as the site likes to send it. */
export function errorFrame(error: object): Response {
  return frames({ data: { done: true, error }, done: true, error })
}

export function frames(...datas: object[]): Response {
  const text = datas.map((data) => `data: ${JSON.stringify({ type: 'chat:completion', data })}\n\n`).join('')
  return eventStream(`${text}data: [DONE]\n\n`)
}

export function eventStream(body: BodyInit): Response {
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
}

export function json(body: unknown, status = 200): Response {
  return Response.json(body, { status })
}

/** The front page names the version in its asset addresses, an older one first. */
export function indexPage(version: string): string {
  return `<!doctype html><link href="https://cdn.example.com/prod-fe-1.1.9/old.css"><script src="https://cdn.example.com/${version}/index.js"></script>`
}

/** One entry of the live list. */
export function webModel(id: string, name: string, capabilities: Record<string, boolean> = {}): object {
  const all = { vision: false, think: true, web_search: true, ...capabilities }
  const meta = { capabilities: all, mcpServerIds: ['deep-web-search'] }
  return { id, name, object: 'model', created: 1_760_000_000, info: { id, name, is_active: true, params: {}, meta } }
}

/** A token without a real signature. */
export function jwt(payload: object, serial = 0): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'ES256', typ: 'JWT' })}.${part(payload)}.signature${serial}`
}

async function bodyOf(request: Request): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  if (type.startsWith('multipart/form-data')) return new Map(await request.formData())
  const text = await request.text()
  return text === '' ? undefined : JSON.parse(text)
}

function lastUserText(body: unknown): unknown {
  const messages = fieldOf(body, 'messages')
  if (!Array.isArray(messages)) return undefined
  const content = fieldOf(
    messages.findLast((message) => fieldOf(message, 'role') === 'user'),
    'content',
  )
  return Array.isArray(content)
    ? fieldOf(
        content.find((part) => fieldOf(part, 'type') === 'text'),
        'text',
      )
    : content
}

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function hmac(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** Imitates a real fetch when its signal fires: before the headers it rejects, after them the body fails. */
async function abortable(reply: Promise<Response>, signal: AbortSignal | undefined): Promise<Response> {
  if (signal === undefined) return reply
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => {})
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const response = await Promise.race([aborted.promise, reply])
  const reader = response.body?.getReader()
  if (reader === undefined) return response
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const step = await Promise.race([aborted.promise, reader.read()])
      if (step.done) controller.close()
      else controller.enqueue(step.value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return new Response(body, response)
}
