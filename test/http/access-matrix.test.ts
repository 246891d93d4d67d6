import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Elysia } from 'elysia'
import fc from 'fast-check'
import { pagePaths } from '../../src/admin/schema/page-paths.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import { pageFiles } from '../../src/page/assets.ts'
import { listen } from '../../src/server/listen.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { isThorough, runs } from '../support/effort.ts'
import { gatewayApp } from '../support/gateway.ts'
import {
  type Asked,
  anthropicKey,
  bytesOf,
  isOpen,
  type ListedRoute,
  lockedGateway,
  openaiKey,
} from '../support/locked-gateway.ts'
import { nginxMissing, startNginx } from '../support/nginx.ts'
import { mapConcurrently } from '../support/raw-http.ts'
import {
  anyRequest,
  hostLine,
  otherTarget,
  plainHost,
  sameTarget,
  unusableHosts,
  usableHosts,
} from '../support/request-shapes.ts'

// Who may come in, whatever the bytes on the socket look like: every route of the app, in all the ways to ask for it.

const { port, lines, routes, ask, isHarmless, stop } = lockedGateway()
afterAll(stop)

/** What stands for an id exists, so that a key holder sees something. */
let storedId = ''
let conversation = { id: '', item: '' }
let batchId = ''
let pageFile = ''
beforeAll(async () => {
  storedId = await storeResponse()
  conversation = await beginConversation()
  batchId = await endBatch()
  pageFile = Object.keys((await pageFiles()).files)[0] ?? ''
})

async function storeResponse(): Promise<string> {
  return JSON.parse((await ask({ method: 'POST', target: '/v1/responses?stored', key: openaiKey })).body).id
}

async function beginConversation() {
  const { body } = await ask({ method: 'POST', target: '/v1/conversations', key: openaiKey })
  const { id } = JSON.parse(body)
  const items = await ask({ method: 'GET', target: `/v1/conversations/${id}/items`, key: openaiKey })
  return { id, item: JSON.parse(items.body).data[0].id }
}

async function endBatch(): Promise<string> {
  const { id } = JSON.parse((await ask({ method: 'POST', target: '/v1/messages/batches', key: anthropicKey })).body)
  const target = `/v1/messages/batches/${id}`
  while (JSON.parse((await ask({ method: 'GET', target, key: anthropicKey })).body).ended_at === null) {}
  return id
}

/** The same path with ids of what nobody has deleted yet. */
async function ofNewOnes(path: string): Promise<string> {
  if (path.includes(batchId)) return path.replace(batchId, await endBatch())
  if (!path.includes(conversation.id)) return path.replace(storedId, await storeResponse())
  const { id, item } = await beginConversation()
  return path.replace(conversation.id, id).replace(conversation.item, item)
}

const methodsOf = new Map<string, string[]>([
  ['GET', ['GET', 'HEAD']],
  ['ALL', ['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS']],
])

/** Every route as a client may ask for it. */
function doors(): ListedRoute[] {
  return routes.flatMap(({ method, path, access }) => {
    const sample = path
      .replace('/models/*', method === 'POST' ? '/models/GLM-4.5:generateContent' : '/models/GLM-4.5')
      .replace(/:model\b/, 'GLM-4.5')
      .replace('/page/:name', `/page/${pageFile}`)
      .replace('/conversations/:id', `/conversations/${conversation.id}`)
      .replace(':item', conversation.item)
      .replace('/batches/:id', `/batches/${batchId}`)
      .replace(':id', storedId)
      .replace('/*', '/nowhere')
    return (methodsOf.get(method) ?? [method]).map((method) => ({ method, path: sample, access }))
  })
}

/** Without what the operator's page asks, which test/admin tries. */
const clientDoors = () => doors().filter(({ path }) => !path.startsWith('/admin/'))

const lockedDoors = () => doors().filter((door) => !isOpen(door))

/** With one spelling of the base URL, or where there is none. */
const usualLockedDoors = () => lockedDoors().filter(({ path }) => /^\/(?:v1\/[^v]|[^/]*$|docs)/.test(path))

/** What Claude Code asks a gateway, and is mostly told that there is nothing. */
const ofClaudeCode = /\/oauth\/\w+$|\/managed\/settings$/

const isOfAnthropic = ({ method, path }: ListedRoute) =>
  path.includes('/messages') ||
  ofClaudeCode.test(path) ||
  (method === 'POST' && /\/(?:metrics|logs|traces)$/.test(path))

const keyOf = (door: ListedRoute) => (isOfAnthropic(door) ? anthropicKey : openaiKey)

/** Each door in each spelling, with each kind of `Host`. */
function attemptsOf(
  list: readonly ListedRoute[],
  spellings: typeof sameTarget,
  hosts: readonly (readonly [string, string])[],
): Asked[] {
  return list.flatMap(({ method, path }) =>
    spellings.flatMap((spell) => hosts.map(([version, host]) => ({ method, target: spell(path), host, version }))),
  )
}

const asItIs = sameTarget.slice(0, 1)
const everyHost = ['', ...usableHosts, ...unusableHosts].flatMap((host) => [
  ['1.0', host] as const,
  ['1.1', host] as const,
])
/** One of each kind that servers have read differently. */
const someHosts = [
  ['1.0', ''],
  ['1.1', plainHost],
  ['1.1', hostLine('a')],
  ['1.1', hostLine('')],
  ['1.0', hostLine('a@b')],
] as const

describe('each route', () => {
  test('says who may use it', () => {
    const levels: unknown[] = ['health', 'open', 'client', 'sign-in', 'operator']
    expect(routes.filter(({ access }) => !levels.includes(access))).toEqual([])
    expect(routes.filter((route) => isOpen(route) && route.method !== 'HEAD').map(({ path }) => path)).toEqual([
      ...['/healthz', '/readyz', ...pagePaths, '/page/:name'],
      ...['/.well-known/oauth-authorization-server', '/oauth/device_authorization', '/oauth/token'].flatMap((path) =>
        ['', '/anthropic', '/api/anthropic'].map((base) => base + path),
      ),
      ...['/openapi.json', '/docs', '/docs/ui.js', '/docs/ui.css', '/docs/start.js'],
      ...['/docs/page.css', '/docs/ui.license.txt'],
    ])
    // What is the operator's besides is tried in test/admin.
    const operators = routes.filter(({ access }) => access === 'operator' || access === 'sign-in')
    expect(operators.map(({ path }) => path).filter((path) => !path.startsWith('/admin/api/'))).toEqual(['/metrics'])
    expect(
      routes.filter(({ path }) => path.startsWith('/admin/')).filter((route) => !operators.includes(route)),
    ).toEqual([])
  })

  test('that does not is closed, whatever the key', async () => {
    const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    const app = gatewayApp([upstream], { access: { openaiKey, anthropicKey } })
    app.get('/forgotten', () => 'a secret')
    app.post('/forgotten', () => 'a secret')
    for (const method of ['GET', 'HEAD', 'POST'])
      for (const key of [openaiKey, 'sk-wrong']) {
        const init = { method, headers: { authorization: `Bearer ${key}` } }
        const reply = await app.handle(new Request('http://localhost/forgotten', init))
        expect([method, reply.status, await reply.text()]).toEqual([method, 500, expect.not.stringContaining('secret')])
      }
  })
})

describe('pages of other origins', () => {
  test('may ask whether they may call, of every route, and learn no more', async () => {
    const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    const corsOrigins = ['https://page.example']
    const app = gatewayApp([upstream], { access: { openaiKey, anthropicKey, corsOrigins } })
    const undeclared = app.routes.filter(({ hooks }) => hooks.detail?.['x-access'] === undefined)
    expect(undeclared.map(({ method, path }) => `${method} ${path}`)).toEqual(['OPTIONS /', 'OPTIONS /*'])
    const headers = { origin: 'https://page.example', 'access-control-request-method': 'GET' }
    for (const { path } of doors()) {
      const asked = await app.handle(new Request(`http://localhost${path}`, { method: 'OPTIONS', headers }))
      expect([asked.status, await asked.text()]).toEqual([204, ''])
    }
    const called = await app.handle(new Request('http://localhost/v1/models', { headers }))
    expect(called.status).toBe(401)
  })

  test.each(['*', 'https://page.example'])(
    'may call no route of the operator with CORS_ORIGINS=%s',
    async (allowed) => {
      const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
      const app = gatewayApp([upstream], { access: { openaiKey, corsOrigins: [allowed] } })
      const headers = { origin: 'https://page.example', 'access-control-request-method': 'GET' }
      const invited = async (path: string, method: string) => {
        const { headers: said } = await app.handle(new Request(`http://localhost${path}`, { method, headers }))
        return said.get('access-control-allow-origin')
      }
      for (const method of ['OPTIONS', 'GET']) {
        for (const path of ['/metrics', '/metrics/', '/admin/api', '/admin/api/session', '/admin/api/nowhere'])
          expect([method, path, await invited(path, method)]).toEqual([method, path, null])
        expect(await invited('/v1/models', method)).toBe('https://page.example')
      }
    },
  )
})

const fronts: [string, string, () => Promise<{ ports: readonly number[]; stop(): Promise<unknown> }>][] = [
  ['straight', '', async () => ({ ports: [port], stop: async () => {} })],
  ['through nginx', nginxMissing, () => startNginx(port)],
]

describe.each(fronts)('%s', (name, missing, start) => {
  let front: Awaited<ReturnType<typeof start>> = { ports: [], stop: async () => {} }
  beforeAll(async () => {
    if (missing === '') front = await start()
  })
  afterAll(() => front.stop())

  const tried = (title: string, work: () => Promise<void>) =>
    missing === '' ? test(title, work, 60_000) : test.skip(`${title} (left out: ${missing})`, work)

  /** nginx hands on what it understands as it understands it, so a part of all that will do when everything is asked straight. */
  const isTried = (asked: Asked) => isThorough || name === 'straight' || (Bun.hash.crc32(bytesOf(asked)) >> 8) % 4 === 0

  /** Asks without a key or with a wrong one. Resolves with what was let in nevertheless. */
  async function intruders(attempts: readonly Asked[]): Promise<string[]> {
    const found = await mapConcurrently(attempts.filter(isTried), 32, async (attempt) => {
      // Cheap to vary along with all else.
      const chance = Bun.hash.crc32(bytesOf(attempt))
      const asked = { ...attempt, key: chance % 2 === 0 ? '' : 'sk-wrong' }
      const at = front.ports[(chance >> 1) % front.ports.length]
      return (await isHarmless(asked, at)) ? [] : [bytesOf(asked)]
    })
    return found.flat()
  }

  tried('no route lets anybody in without its key', async () => {
    // Every route with one kind of `Host` by turns; the usual ones are asked with all of them below.
    const attempts = lockedDoors().flatMap((door, index) => {
      const turn = index % someHosts.length
      return attemptsOf([door], asItIs, someHosts.slice(turn, turn + 1))
    })
    expect(await intruders(attempts)).toEqual([])
  })

  tried('nor with any Host', async () => {
    expect(await intruders(attemptsOf(usualLockedDoors(), asItIs, everyHost))).toEqual([])
  })

  tried('nor by any other spelling', async () => {
    const spellings = [...sameTarget, ...otherTarget]
    expect(await intruders(attemptsOf(usualLockedDoors(), spellings, someHosts.slice(0, 3)))).toEqual([])
  })

  tried('nor by what chance puts together', async () => {
    const property = fc.asyncProperty(anyRequest(), async (asked) => {
      expect(await isHarmless(asked, front.ports[0])).toBe(true)
    })
    await fc.assert(property, { numRuns: runs(500) })
  })

  tried('with the key, each spelling of a path is that path', async () => {
    const hosts = someHosts.filter(([, host]) => !unusableHosts.includes(host))
    // What was deleted once is gone.
    const undeleting = usualLockedDoors().filter(({ method }) => method !== 'DELETE')
    const differing = await mapConcurrently(undeleting, 4, async (door) => {
      const key = keyOf(door)
      const expected = (await ask({ method: door.method, target: door.path, key })).status
      const usual = attemptsOf([door], sameTarget, hosts).filter((asked) => !isOtherForNginx(asked, name))
      const attempts = usual.filter(isTried)
      return mapConcurrently(attempts, 8, async (asked) => {
        const { status } = await ask({ ...asked, key }, front.ports[0])
        return status === expected ? [] : [`${status}, not ${expected}: ${bytesOf(asked)}`]
      })
    })
    expect(differing.flat(2)).toEqual([])
  })
})

/** nginx takes no backslash for a slash, and no target without the host that it names or the `Host` of HTTP/1.1. */
function isOtherForNginx({ target, host, version }: Asked, name: string): boolean {
  if (name === 'straight') return false
  return target.includes('\\') || target.includes('@') || (version === '1.1' && host === hostLine(''))
}

/** What is refused to everybody. */
function isRefusal(path: string): boolean {
  return /\/responses\/[^/]+\/cancel$|\/api\/(?:pull|push|create|copy|delete|blobs\/.*)$/.test(path)
}

test('with the key, every route answers', async () => {
  const unlike = await mapConcurrently(clientDoors(), 16, async (door) => {
    const { method, path } = door
    const target = method === 'DELETE' ? await ofNewOnes(path) : path
    const { status } = await ask({ method, target, key: keyOf(door) })
    return status === answerOf(method, path) ? [] : [`${status} for ${method} ${path}`]
  })
  expect(unlike.flat()).toEqual([])
})

function answerOf(method: string, path: string): number {
  if (isRefusal(path)) return 400
  // It is for WebSockets.
  if (method !== 'POST' && path.endsWith('/responses')) return 426
  return path === '/nowhere' || ofClaudeCode.test(path) ? 404 : 200
}

test('what fails before anybody can say it well is told without the reason', async () => {
  const failing = new Elysia().wrap(() => () => {
    throw new Error('a private detail')
  })
  const listening = listen(failing, '127.0.0.1', 0)
  const response = await fetch(`${listening.url}/healthz`)
  const body = await response.text()
  await listening.stop(0)
  expect([response.status, body]).toEqual([500, 'The gateway failed while answering.\n'])
})

test('the log has the path that was asked for, whatever the Host', async () => {
  lines.length = 0
  for (const [version, host] of someHosts)
    await ask({ method: 'GET', target: '/v1//models/../models?key=/healthz', version, host, key: openaiKey })
  expect(lines.map((line) => line.slice(0, line.indexOf(' {')))).toEqual(someHosts.map(() => 'GET /v1/models'))
})

test('HEAD needs the key wherever GET does, and signs of life do not', async () => {
  const heads = doors().filter(({ method }) => method === 'HEAD')
  const replies = await mapConcurrently(heads, 16, ({ path }) => ask({ method: 'HEAD', target: path }))
  expect(heads.filter((door, at) => (replies[at]?.status === 200) !== isOpen(door))).toEqual([])
  for (const target of ['/', '/v1', '/anthropic', '/anthropic/v1/', '/openai', '/api/hello', '/api/anthropic'])
    expect([target, (await ask({ method: 'HEAD', target })).status]).toEqual([target, 200])
})
