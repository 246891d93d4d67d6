import { systemClock } from '../../src/async/system-clock.ts'
import { listen } from '../../src/server/listen.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from './gateway.ts'
import { askRaw, mapConcurrently, type RawReply } from './raw-http.ts'
import { plainHost } from './request-shapes.ts'

export const openaiKey = 'sk-of-the-openai-api'
export const anthropicKey = 'sk-of-the-anthropic-api'

export interface Asked {
  method: string
  target: string
  /** Ready lines. */
  host?: string
  version?: string
  /** None where it is empty. */
  key?: string
}

/** A route as the app itself lists it. */
export interface ListedRoute {
  method: string
  path: string
  /** As the route was declared. */
  access: unknown
}

export const isOpen = ({ access }: ListedRoute) => access === 'open' || access === 'health'

/** A gateway with two keys on a free port, in front of the scripted model. */
export function lockedGateway() {
  let calls = 0
  const scripted = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
  const upstream: typeof scripted = {
    ...scripted,
    open(call) {
      calls++
      return scripted.open(call)
    },
  }
  const lines: string[] = []
  const app = gatewayApp([upstream], { access: { openaiKey, anthropicKey } }, lines)
  const server = listen(app, '127.0.0.1', 0)
  const port = Number(new URL(server.url).port)
  const routes = app.routes.map(
    ({ method, path, hooks }): ListedRoute => ({ method, path, access: hooks.detail?.['x-access'] }),
  )
  const ask = (asked: Asked, at = port): Promise<RawReply> => askRaw(at, bytesOf(asked))

  let openReplies: Promise<Set<string>> | undefined
  const readOpenReplies = async () => {
    const pages = routes.filter((route) => isOpen(route) && route.method === 'GET')
    // `/docs/` leads to `/docs`.
    const targets = [...pages.map(({ path }) => path), '/docs/']
    return new Set((await mapConcurrently(targets, 8, (target) => ask({ method: 'GET', target }))).map(fingerprint))
  }

  /** Whether a request without a key was refused or got a public page, and no model was called. */
  async function isHarmless(asked: Asked, at = port): Promise<boolean> {
    openReplies ??= readOpenReplies()
    const open = await openReplies
    const before = calls
    const reply = await ask(asked, at)
    if (calls !== before) return false
    // For an invalid target Bun's server itself answers 400 or 505.
    if ([400, 401, 505].includes(reply.status)) return !reply.body.includes('GLM-')
    if (open.has(fingerprint(reply))) return true
    // Health checks reveal nothing, and HEAD of a public page is as public as the page.
    if (asked.method !== 'HEAD' || reply.body !== '') return false
    return reply.length === 0 || open.has(fingerprint(await ask({ ...asked, method: 'GET' }, at)))
  }

  return { port, lines, routes, ask, isHarmless, stop: () => server.stop(0) }
}

const says = [{ role: 'user', content: 'Hello' }]
const bodies: [RegExp, string][] = [
  [/conversations/, JSON.stringify({ items: [{ role: 'user', content: 'Hello' }] })],
  [/responses\?stored/, JSON.stringify({ model: 'GLM-4.5', input: 'Hello' })],
  [/responses/, JSON.stringify({ model: 'GLM-4.5', input: 'Hello', store: false })],
  [/batch/, JSON.stringify({ requests: [{ custom_id: 'a', params: { model: 'GLM-4.5', messages: says } }] })],
  [/:generateContent/, JSON.stringify({ contents: [{ parts: [{ text: 'Hello' }] }] })],
  [/embed/, JSON.stringify({ model: 'embedding-3', input: 'Hello', prompt: 'Hello' })],
  [/(?:)/, JSON.stringify({ model: 'GLM-4.5', max_tokens: 20, messages: says, prompt: 'Hello' })],
]

export function bytesOf({ method, target, host = plainHost, version = '1.1', key = '' }: Asked): string {
  const credentials = key === '' ? '' : `Authorization: Bearer ${key}\r\n`
  const body = method === 'POST' ? (bodies.find(([pattern]) => pattern.test(target))?.[1] ?? '') : ''
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`
  return `${method} ${target} HTTP/${version}\r\n${host}${credentials}${length}Connection: close\r\n\r\n${body}`
}

/** Identifies a response by everything that a client sees except for the headers. */
function fingerprint({ status, body }: RawReply): string {
  return `${status} ${Bun.hash(body)}`
}
