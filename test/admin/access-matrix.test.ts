import { afterEach, describe, expect, test } from 'bun:test'
import type { ServingProgram } from '../../src/admin/operator-context.ts'
import { operatedGateway } from '../support/operated-gateway.ts'

// Who may come in: every route under /admin/api, whoever registered it, in all the ways to ask for it without being the
// operator. The whole program is asked, so that no route is left out.

const program: ServingProgram = {
  setups: async () => [],
  system: () => ({ platform: '', runtime: '', pid: 1, memory_bytes: 1, config: [] }),
  licences: async () => [],
  async *doctor() {},
}
const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

async function appWith({ openaiKey, anthropicKey, operatorKey, corsOrigins = [] }: Access = {}) {
  const env = {
    ...(openaiKey ? { AUTH_TOKEN: openaiKey } : {}),
    ...(anthropicKey ? { ANTHROPIC_API_KEY: anthropicKey } : {}),
    ...(operatorKey ? { ADMIN_TOKEN: operatorKey } : {}),
    ...{ CORS_ORIGINS: corsOrigins.join(), UPSTREAMS: 'demo' },
  }
  const { app, close } = await operatedGateway(env, program)
  open.push(close)
  return app
}

interface Access {
  openaiKey?: string
  anthropicKey?: string
  operatorKey?: string
  corsOrigins?: string[]
}

type App = Awaited<ReturnType<typeof appWith>>
type Headers = Record<string, string>

const keys = { openaiKey: 'sk-client', anthropicKey: 'sk-anthropic', operatorKey: 'sk-admin' }
const corsOrigins = ['https://ui.example']
const host = 'localhost:8080'
const own = { origin: `http://${host}` }

interface Door {
  method: string
  path: string
  access: unknown
}

const methodsOf: Record<string, string[]> = { GET: ['GET', 'HEAD'], ALL: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] }

const doors: Door[] = (await appWith(keys)).routes.flatMap(({ method, path, hooks }) => {
  if (!path.startsWith('/admin')) return []
  const sample = path.replaceAll(/:\w+/g, 'some-id').replace('/*', '/nowhere')
  return (methodsOf[method] ?? [method]).map((each) => ({
    ...{ method: each, path: sample, access: hooks.detail?.['x-access'] },
  }))
})

function ask(app: App, { method, path }: Door, headers: Headers): Promise<Response> {
  const body = method === 'GET' || method === 'HEAD' ? undefined : JSON.stringify({ token: 'sk-wrong' })
  return app.handle(
    new Request(`http://${host}${path}`, { method, headers: { host, ...headers }, ...(body ? { body } : {}) }),
  )
}

/** The doors that did not refuse, with their statuses. */
async function opened(app: App, attempts: readonly Door[], headers: Headers, refusals = [401, 403]): Promise<string[]> {
  const found = await Promise.all(
    attempts.map(async (door) => {
      const { status, body } = await ask(app, door, headers)
      await body?.cancel()
      return refusals.includes(status) ? [] : [`${status} for ${door.method} ${door.path}`]
    }),
  )
  return found.flat()
}

async function signIn(app: App): Promise<string> {
  const response = await app.handle(
    new Request(`http://${host}/admin/api/session`, {
      method: 'POST',
      headers: { host, ...own },
      body: JSON.stringify({ token: keys.operatorKey }),
    }),
  )
  expect(response.status).toBe(204)
  return response.headers.get('set-cookie')?.split(';')[0] ?? ''
}

const changing = doors.filter(({ method }) => method !== 'GET' && method !== 'HEAD')

test('there are doors, and each is the operator’s but the one that signs in', () => {
  expect(doors.filter(({ access }) => access !== 'operator').map(({ method, path }) => `${method} ${path}`)).toEqual([
    'POST /admin/api/session',
  ])
  expect(changing.length).toBeGreaterThan(2)
})

describe('nobody comes in', () => {
  test.each<[string, Headers]>([
    ['without a key', {}],
    ['with a client’s key', { authorization: 'Bearer sk-client' }],
    ['with a key of Anthropic’s clients', { 'x-api-key': 'sk-anthropic' }],
    ['with a wrong key', { authorization: 'Bearer sk-wrong' }],
    ['with a cookie that is made up', { cookie: `zai2api_8080=${'A'.repeat(43)}`, ...own }],
    ['with a wrong key as a page', { authorization: 'Bearer sk-wrong', ...own }],
    ['with nothing, from another page', { origin: 'https://evil.example' }],
    ['with nothing, behind a proxy', { 'x-forwarded-for': '127.0.0.1' }],
  ])('%s', async (_name, headers) => {
    expect(await opened(await appWith(keys), doors, headers)).toEqual([])
  })

  test.each<[string, Headers]>([
    ['of another page', { origin: 'https://evil.example' }],
    ['of a page that may call the APIs', { origin: 'https://ui.example' }],
    ['of a sandboxed page', { origin: 'null' }],
    ['of another port', { origin: 'http://localhost:3000' }],
    ['of another site, as the browser says', { 'sec-fetch-site': 'cross-site' }],
    ['of the same site, as the browser says', { 'sec-fetch-site': 'same-site', ...own }],
    ['for another Host', { host: 'rebound.example:8080' }],
    ['for another Host of the page’s own', { host: 'rebound.example:8080', origin: 'http://rebound.example:8080' }],
  ])('with the cookie of the operator in a request %s', async (_name, headers) => {
    const app = await appWith({ ...keys, corsOrigins })
    const cookie = await signIn(app)
    expect(await opened(app, doors, { cookie, ...headers })).toEqual([])
  })

  test.each<[string, Headers]>([
    ['of another page', { origin: 'http://evil.example' }],
    ['of a page that may call the APIs', { origin: 'https://ui.example' }],
    ['of another site, as the browser says', { 'sec-fetch-site': 'cross-site' }],
  ])('with the key of the operator in a request %s', async (_name, headers) => {
    const app = await appWith({ ...keys, corsOrigins })
    expect(await opened(app, doors, { authorization: 'Bearer sk-admin', ...headers }, [403])).toEqual([])
  })

  test('to change something with the cookie alone', async () => {
    const app = await appWith(keys)
    const cookie = await signIn(app)
    expect(await opened(app, changing, { cookie })).toEqual([])
  })

  test.each<[string, Headers]>([
    ['behind a proxy', { 'x-forwarded-for': '127.0.0.1' }],
    ['from another page', { origin: 'https://evil.example' }],
    ['from a page that may call the APIs', { origin: 'https://ui.example' }],
    ['from another port of this machine', { origin: 'http://localhost:3000' }],
    ['from a sandboxed page', { origin: 'null' }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['by another name of this machine', { host: 'rebound.example:8080' }],
    ['by a page of that name', { host: 'rebound.example', 'sec-fetch-site': 'same-origin' }],
  ])('where no key is set, %s', async (_name, headers) => {
    expect(await opened(await appWith({ corsOrigins }), doors, headers, [403])).toEqual([])
  })
})

describe('the operator comes in', () => {
  const reading = doors.filter(({ method, path }) => method === 'GET' && !path.endsWith('/nowhere'))
  const refused = (app: App, headers: Headers) =>
    Promise.all(
      reading.map(async (door) => {
        const { status, body } = await ask(app, door, headers)
        await body?.cancel()
        return [401, 403].includes(status) ? [door.path] : []
      }),
    ).then((found) => found.flat())

  test('by the key, by the cookie, and without either on this machine', async () => {
    const app = await appWith(keys)
    expect(await refused(app, { authorization: 'Bearer sk-admin' })).toEqual([])
    expect(await refused(app, { cookie: await signIn(app) })).toEqual([])
    expect(await refused(await appWith(), {})).toEqual([])
    expect(await refused(await appWith(), { 'sec-fetch-site': 'same-origin', ...own })).toEqual([])
  })

  test('and hears what there is not in the words of a program', async () => {
    const response = await ask(
      await appWith(keys),
      { method: 'PATCH', path: '/admin/api/nowhere', access: '' },
      {
        authorization: 'Bearer sk-admin',
      },
    )
    expect([response.status, await response.json()]).toEqual([
      404,
      {
        error: {
          message: 'PATCH /admin/api/nowhere does not exist here; see /docs.',
          ...{ type: 'not_found_error', param: null, code: 'unknown_url' },
        },
      },
    ])
  })
})

test('the page calls the APIs by its cookie, and no other page does', async () => {
  const app = await appWith({ ...keys, corsOrigins })
  const cookie = await signIn(app)
  const call = async (headers: Headers, path = '/v1/chat/completions') => {
    const body = JSON.stringify({ model: 'GLM-4.5', max_tokens: 5, messages: [{ role: 'user', content: 'Hello' }] })
    const request = new Request(`http://${host}${path}`, { method: 'POST', headers: { host, ...headers }, body })
    return (await app.handle(request)).status
  }
  expect(await call({ cookie, ...own })).toBe(200)
  expect(await call({ cookie, 'sec-fetch-site': 'same-origin' }, '/v1/messages')).toBe(200)
  expect(await call({ cookie })).toBe(403)
  expect(await call({ cookie, origin: 'https://ui.example' })).toBe(403)
  expect(await call({ cookie, 'sec-fetch-site': 'same-site' })).toBe(403)
  expect(await call(own)).toBe(401)
})

describe('signing in', () => {
  const post = (app: App, body: object, headers: Headers = own) =>
    app.handle(
      new Request(`http://${host}/admin/api/session`, {
        ...{ method: 'POST', headers: { host, ...headers }, body: JSON.stringify(body) },
      }),
    )

  test('tells how many tries are left, and when there are none', async () => {
    const app = await appWith(keys)
    const told = []
    for (const token of 'abcdef') {
      const response = await post(app, { token })
      const { error }: { error: { attempts_left: number } } = await response.json()
      told.push([response.status, error.attempts_left, response.headers.has('retry-after')])
    }
    expect(told).toEqual([...[4, 3, 2, 1, 0].map((left) => [401, left, false]), [429, 0, true]])
  })

  test('names the field that is missing', async () => {
    const { error }: { error: object } = await (await post(await appWith(keys), {})).json()
    expect(error).toMatchObject({ param: 'token', message: 'token: this field is required' })
  })

  test('tells who one is, until one signs out', async () => {
    const app = await appWith(keys)
    const cookie = await signIn(app)
    const who = async () => {
      const response = await app.handle(new Request(`http://${host}/admin/api/session`, { headers: { host, cookie } }))
      return [response.status, await response.json()]
    }
    expect(await who()).toEqual([200, { operator: true, how: 'cookie' }])
    const leaving = await app.handle(
      new Request(`http://${host}/admin/api/session`, { method: 'DELETE', headers: { host, cookie, ...own } }),
    )
    expect([leaving.status, leaving.headers.get('cache-control')]).toEqual([204, 'no-store'])
    expect(await who()).toMatchObject([401, { error: { code: 'missing_api_key', attempts_left: 5 } }])
  })
})
