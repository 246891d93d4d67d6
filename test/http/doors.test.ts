import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createMetrics } from '../../src/observe/metrics.ts'
import { listen, listenForMetrics } from '../../src/server.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { systemClock } from '../../src/wire/clock.ts'
import { gatewayApp } from '../support/gateway.ts'
import { nginxMissing, startNginx } from '../support/nginx.ts'
import { askRaw, mapConcurrently, type RawReply } from '../support/raw-http.ts'
import { otherTarget, plainHost, sameTarget, unusableHosts, usableHosts } from '../support/request-shapes.ts'

// Who may come in, whatever the bytes on the socket look like: every route of the app, in all the ways to ask for it.

const openaiKey = 'sk-of-the-openai-api'
const anthropicKey = 'sk-of-the-anthropic-api'
const access = { openaiKey, anthropicKey }

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
const app = gatewayApp([upstream], { access }, lines)
const server = listen(app, '127.0.0.1', 0)
const port = Number(new URL(server.url).port)
afterAll(() => server.stop(0))

interface Door {
  method: string
  path: string
  access: string
}

/** As the app itself lists its routes. */
const routes = app.routes.map(({ method, path, hooks }) => ({ method, path, access: hooks.detail?.['x-access'] }))

const isOpen = ({ access }: Door) => access === 'open' || access === 'health'

/** What stands for an id exists, so that a key holder sees something. */
let storedId = ''
beforeAll(async () => {
  storedId = await storeResponse()
})

async function storeResponse(): Promise<string> {
  return JSON.parse((await ask({ method: 'POST', target: '/v1/responses?stored' }, openaiKey)).body).id
}

const methodsOf = new Map<string, string[]>([
  ['GET', ['GET', 'HEAD']],
  ['ALL', ['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS']],
])

/** Every route as a client may ask for it. */
function doors(): Door[] {
  return routes.flatMap(({ method, path, access }) => {
    const sample = path.replace('/models/*', '/models/GLM-4.5').replace(':id', storedId).replace('/*', '/nowhere')
    return (methodsOf.get(method) ?? [method]).map((method) => ({ method, path: sample, access }))
  })
}

/** One spelling of the base URL, and whatever has none. */
const isUsual = ({ path }: Door) => /^\/(?:v1\/[^v]|[^/]*$|docs)/.test(path)
const lockedDoors = () => doors().filter((door) => !isOpen(door))
const usualLockedDoors = () => lockedDoors().filter(isUsual)

const says = [{ role: 'user', content: 'Hello' }]
const bodies: [RegExp, string][] = [
  [/responses\?stored/, JSON.stringify({ model: 'GLM-4.5', input: 'Hello' })],
  [/responses/, JSON.stringify({ model: 'GLM-4.5', input: 'Hello', store: false })],
  [/(?:)/, JSON.stringify({ model: 'GLM-4.5', max_tokens: 20, messages: says, prompt: 'Hello' })],
]

interface Asked {
  method: string
  target: string
  host?: string
  version?: string
}

function bytesOf({ method, target, host = plainHost, version = '1.1' }: Asked, key: string): string {
  const credentials = key === '' ? '' : `Authorization: Bearer ${key}\r\n`
  const body = method === 'POST' ? (bodies.find(([pattern]) => pattern.test(target))?.[1] ?? '') : ''
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`
  return `${method} ${target} HTTP/${version}\r\n${host}${credentials}${length}Connection: close\r\n\r\n${body}`
}

function ask(asked: Asked, key: string, at = port): Promise<RawReply> {
  return askRaw(at, bytesOf(asked, key))
}

/** Tells replies apart by all that a client sees but the headers. */
const fingerprint = ({ status, body }: RawReply) => `${status} ${Bun.hash(body)}`

/** The replies that anybody may see. */
async function openReplies(): Promise<Set<string>> {
  const pages = doors().filter((door) => isOpen(door) && door.method === 'GET')
  // `/docs/` leads to `/docs`.
  const targets = [...pages.map(({ path }) => path), '/docs/']
  return new Set((await mapConcurrently(targets, 8, (target) => ask({ method: 'GET', target }, ''))).map(fingerprint))
}

/** Whether somebody without a key was told no, or what anybody is told. */
async function isHarmless(reply: RawReply, asked: Asked, key: string, at: number, open: Set<string>): Promise<boolean> {
  // A target that no HTTP allows is 400 or 505, as the server in front sees it.
  if ([400, 401, 505].includes(reply.status)) return !reply.body.includes('GLM-')
  if (open.has(fingerprint(reply))) return true
  // A sign of life has nothing to tell, and the HEAD of a page is as open as the page.
  if (asked.method !== 'HEAD' || reply.body !== '') return false
  return reply.length === 0 || open.has(fingerprint(await ask({ ...asked, method: 'GET' }, key, at)))
}

/** Asks without a key or with a wrong one. Resolves with what was let in nevertheless. */
async function intruders(attempts: readonly Asked[], ports: readonly number[]): Promise<string[]> {
  const open = await openReplies()
  const callsBefore = calls
  const found = await mapConcurrently(attempts, 32, async (attempt) => {
    // Cheap to vary along with all else.
    const at = ports[Bun.hash.crc32(attempt.target) % ports.length] ?? port
    const key = Bun.hash.crc32(bytesOf(attempt, '')) % 2 === 0 ? '' : 'sk-wrong'
    const reply = await ask(attempt, key, at)
    return (await isHarmless(reply, attempt, key, at, open)) ? [] : [`${reply.status} for ${bytesOf(attempt, key)}`]
  })
  expect(calls).toBe(callsBefore)
  return found.flat()
}

/** Each door in each spelling, with each kind of `Host`. */
function attemptsOf(
  list: readonly Door[],
  spellings: typeof sameTarget,
  hosts: readonly (readonly [string, string])[],
) {
  return list.flatMap(({ method, path }) =>
    spellings.flatMap((spell) => hosts.map(([version, host]) => ({ method, target: spell(path), host, version }))),
  )
}

const asItIs = sameTarget.slice(0, 1)
const line = (value: string) => `Host: ${value}\r\n`
const everyHost = ['', ...usableHosts, ...unusableHosts].flatMap((host) => [
  ['1.0', host] as const,
  ['1.1', host] as const,
])
/** One of each kind that servers have read differently. */
const someHosts = [
  ['1.0', ''],
  ['1.1', plainHost],
  ['1.1', line('a')],
  ['1.1', line('')],
  ['1.0', line('a@b')],
] as const

describe('each route', () => {
  test('says who may use it', () => {
    const levels = ['health', 'open', 'client', 'operator']
    expect(routes.filter(({ access }) => !levels.includes(access))).toEqual([])
    expect(routes.filter((route) => isOpen(route) && route.method !== 'HEAD').map(({ path }) => path)).toEqual([
      ...['/', '/healthz', '/readyz', '/openapi.json', '/docs', '/docs/ui.js', '/docs/ui.css', '/docs/start.js'],
      ...['/docs/page.css', '/docs/ui.license.txt'],
    ])
    expect(routes.filter(({ access }) => access === 'operator').map(({ path }) => path)).toEqual(['/metrics'])
  })

  test('that does not is closed, whatever the key', async () => {
    const other = gatewayApp([upstream], { access })
    other.get('/forgotten', () => 'a secret')
    other.post('/forgotten', () => 'a secret')
    for (const method of ['GET', 'HEAD', 'POST'])
      for (const key of [openaiKey, 'sk-wrong']) {
        const init = { method, headers: { authorization: `Bearer ${key}` } }
        const reply = await other.handle(new Request('http://localhost/forgotten', init))
        expect([method, reply.status, await reply.text()]).toEqual([method, 500, expect.not.stringContaining('secret')])
      }
  })
})

const fronts: [string, () => Promise<{ ports: readonly number[]; stop(): Promise<void> }>][] = [
  ['straight', async () => ({ ports: [port], stop: async () => {} })],
  ['through nginx', () => startNginx(port)],
]

describe.each(fronts)('%s', (name, start) => {
  const missing = name === 'straight' ? '' : nginxMissing
  const front = Promise.withResolvers<Awaited<ReturnType<typeof start>>>()
  beforeAll(async () => {
    if (missing === '') front.resolve(await start())
  })
  afterAll(async () => {
    if (missing === '') await (await front.promise).stop()
  })
  const title = (text: string) => (missing === '' ? text : `${text} (left out: ${missing})`)
  const tried = test.skipIf(missing !== '')

  tried(
    title('no route lets anybody in without its key'),
    async () => {
      const { ports } = await front.promise
      expect(await intruders(attemptsOf(lockedDoors(), asItIs, someHosts), ports)).toEqual([])
    },
    60_000,
  )

  tried(
    title('nor with any Host'),
    async () => {
      const { ports } = await front.promise
      expect(await intruders(attemptsOf(usualLockedDoors(), asItIs, everyHost), ports)).toEqual([])
    },
    60_000,
  )

  tried(
    title('nor by any other spelling'),
    async () => {
      const { ports } = await front.promise
      const spellings = [...sameTarget, ...otherTarget]
      expect(await intruders(attemptsOf(usualLockedDoors(), spellings, someHosts), ports)).toEqual([])
    },
    60_000,
  )

  tried(
    title('nor by what chance puts together'),
    async () => {
      const { ports } = await front.promise
      const before = calls
      const open = await openReplies()
      await fc.assert(
        fc.asyncProperty(requests(), async (asked) => {
          const [at = port] = ports
          expect(await isHarmless(await ask(asked, '', at), asked, '', at, open)).toBe(true)
        }),
        { numRuns: 500 },
      )
      expect(calls).toBe(before)
    },
    60_000,
  )

  tried(
    title('with the key, each spelling of a path is that path'),
    async () => {
      const { ports } = await front.promise
      const hosts = someHosts.filter(([, host]) => !unusableHosts.includes(host))
      // What was deleted once is gone.
      const lasting = usualLockedDoors().filter(({ method }) => method !== 'DELETE')
      const differing = await mapConcurrently(lasting, 4, async (door) => {
        const expected = (await ask({ method: door.method, target: door.path }, keyOf(door))).status
        const attempts = attemptsOf([door], sameTarget, hosts)
        const replies = await mapConcurrently(attempts, 8, (attempt) => ask(attempt, keyOf(door), ports[0]))
        return attempts.flatMap((attempt, at) =>
          replies[at]?.status === expected ? [] : [`${replies[at]?.status}, not ${expected}: ${bytesOf(attempt, '')}`],
        )
      })
      expect(differing.flat().filter((text) => !isForNginxAlone(text, name))).toEqual([])
    },
    60_000,
  )
})

/** nginx reads paths by rules of its own: it takes no backslash for a slash, and no HTTP/1.1 request with an empty Host on. */
function isForNginxAlone(text: string, name: string): boolean {
  return name !== 'straight' && (text.includes('\\') || text.startsWith('400'))
}

const keyOf = ({ path }: Door) => (path.includes('/messages') ? anthropicKey : openaiKey)

/** Pieces of paths, hosts and their delimiters in any order. */
function requests() {
  const piece = fc.constantFrom(
    ...[
      '/',
      '/',
      '//',
      '/.',
      '/..',
      '/%2e%2e',
      '%2f',
      '%5c',
      '\\',
      '?',
      '#',
      ';',
      '@',
      ':',
      '%00',
      '.',
      'a',
      'http://a',
    ],
    ...['/healthz', '/docs', '/docs/ui.js', '/v1/models', '/v1/chat/completions', '/v1/messages', '/metrics', '/v1'],
  )
  const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
  return fc.record({
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'DELETE', 'PUT'),
    target: text.map((text) => `/${text}`),
    host: fc.oneof(
      fc.constantFrom('', ...usableHosts, ...unusableHosts),
      text.map((text) => `Host: ${text}\r\n`),
    ),
    version: fc.constantFrom('1.0', '1.1'),
  })
}

test('with the key, every route answers', async () => {
  const unlike = await mapConcurrently(doors(), 16, async ({ method, path, access }) => {
    const target = method === 'DELETE' ? path.replace(storedId, await storeResponse()) : path
    const { status } = await ask({ method, target }, keyOf({ method, path, access }))
    const expected = path.endsWith('/cancel') ? 400 : path === '/nowhere' ? 404 : 200
    return status === expected ? [] : [`${status} for ${method} ${path}`]
  })
  expect(unlike.flat()).toEqual([])
})

describe('a Host', () => {
  test.each(usableHosts)('that is usable has no say: %j', async (host) => {
    const status = async (asked: Asked, key: string) => (await ask({ ...asked, host }, key)).status
    expect([
      await status({ method: 'GET', target: '/healthz' }, ''),
      await status({ method: 'GET', target: '/v1/models?x=/healthz' }, ''),
      await status({ method: 'GET', target: '/v1/models?x=/healthz' }, openaiKey),
      await status({ method: 'POST', target: '/v1/messages?x=/' }, anthropicKey),
      await status({ method: 'GET', target: '/nowhere', version: '1.0' }, openaiKey),
    ]).toEqual([200, 401, 200, 200, 404])
  })

  test.each(unusableHosts)('that is not is refused, with the key and without: %j', async (host) => {
    const attempts = ['/healthz', '/v1/models', '/nowhere', '/v1/messages'].flatMap((target) =>
      ['', openaiKey].map((key) => [{ method: 'GET', target, host }, key] as const),
    )
    const replies = await Promise.all(attempts.map(([asked, key]) => ask(asked, key)))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([400]))
  })

  test('that is missing is HTTP/1.0', async () => {
    const asked = { method: 'GET', target: '/healthz', host: '' }
    expect((await ask({ ...asked, version: '1.0' }, '')).body).toBe('{"status":"ok"}')
    expect((await ask({ ...asked, version: '1.1' }, '')).status).toBe(400)
  })
})

test('the log has the path that was asked for, whatever the Host', async () => {
  lines.length = 0
  for (const [version, host] of someHosts)
    await ask({ method: 'GET', target: '/v1//models/../models?key=/healthz', version, host }, openaiKey)
  expect(lines.map((line) => line.slice(0, line.indexOf(' {')))).toEqual(someHosts.map(() => 'GET /v1/models'))
})

test('HEAD needs the key wherever GET does, and signs of life do not', async () => {
  const heads = doors().filter(({ method }) => method === 'HEAD')
  const replies = await mapConcurrently(heads, 16, ({ path }) => ask({ method: 'HEAD', target: path }, ''))
  expect(heads.filter((door, at) => (replies[at]?.status === 200) !== isOpen(door))).toEqual([])
  for (const target of ['/', '/v1', '/anthropic', '/anthropic/v1/', '/openai', '/api/hello', '/api/anthropic'])
    expect([target, (await ask({ method: 'HEAD', target }, '')).status]).toEqual([target, 200])
})

describe('the metrics on a port of their own', () => {
  const metrics = createMetrics({ running: () => new Set(), gauges: () => ({}), version: 'test' })
  const listening = listenForMetrics(metrics, 0)
  const metricsPort = Number(new URL(listening.url).port)
  afterAll(() => listening.stop())
  test.each<[string, string, string, number]>([
    ['/metrics', line('127.0.0.1'), '1.1', 200],
    ['/metrics?x=/', line('localhost:9'), '1.1', 200],
    ['/metrics', '', '1.0', 200],
    ['//metrics', line('[::1]:9'), '1.0', 200],
    ['/healthz?/metrics', '', '1.0', 404],
    ['/x#/metrics', line('localhost'), '1.1', 404],
    ['/metrics', line('rebound.example'), '1.1', 403],
    ['http://localhost/metrics', line('rebound.example'), '1.1', 403],
    ['/metrics', line(''), '1.1', 403],
    ['/metrics', line('localhost') + line('rebound.example'), '1.1', 400],
    ['/metrics', line('localhost@rebound.example'), '1.1', 400],
    ['/metrics', `${line('localhost')}X-Forwarded-For: 10.0.0.1\r\n`, '1.1', 403],
    ['/metrics', `${line('localhost')}Origin: https://page.example\r\n`, '1.1', 403],
  ])('%s with %j over HTTP/%s: %i', async (target, host, version, expected) => {
    const { status, body } = await ask({ method: 'GET', target, host, version }, '', metricsPort)
    expect([status, body.includes('zai2api_build_info')]).toEqual([expected, expected === 200])
  })
})
