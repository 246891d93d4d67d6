import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { clientKeys, policyOf } from '../../src/http/client-keys.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type Agent, agents, binOf } from '../support/agents/install.ts'
import { scratch } from '../support/agents/scratch.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { noPostgres, startPostgres } from '../support/postgres.ts'

// What Claude Code expects of a gateway, in its own words: run as a gateway, the program serves the contract at /protocol.
// `make test-agents` installs Claude Code and runs this file.
setDefaultTimeout(60_000)

const agent: Agent = 'Claude Code 2.1.332'

const metadataPath = '/.well-known/oauth-authorization-server'

interface Contract {
  text: string
  /** Of sign-ins, where a gateway has no identity provider. */
  metadata: object
}

/** Starts Claude Code as a gateway that admits nobody, and reads the contract from it. */
async function readContract(): Promise<Contract> {
  const server = await startPostgres()
  await using place = await scratch(agent, { 'README.md': 'A scratch.\n' })
  const port = await freePort()
  const config = {
    listen: { host: '127.0.0.1', port },
    upstreams: [{ provider: 'anthropic', auth: { api_key: 'none' } }],
    session: { jwt_secret: 'a secret of a gateway that admits nobody' },
    store: { postgres_url: await server.newDatabase() },
    cri: { enabled: true, audience: ['nobody'], org_allowlist: ['11111111-1111-4111-8111-111111111111'] },
  }
  const file = join(place.repository, 'gateway.yaml')
  await Bun.write(file, JSON.stringify(config))
  const program = join(binOf(agent) ?? '', agents[agent].program)
  const child = Bun.spawn([program, 'gateway', '--config', file], {
    ...{ cwd: place.repository, env: place.env, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' },
  })
  const said = new Response(child.stderr).text()
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`Claude Code does not run as a gateway: ${await said}`)
      const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { proxy: false })
      const response = await get('/protocol').catch(() => undefined)
      if (response?.ok) return { text: await response.text(), metadata: await (await get(metadataPath)).json() }
      await Bun.sleep(50)
    }
  } finally {
    child.kill()
    await child.exited
    server.stop()
  }
}

/**
 * Each request that the contract names, and the status of our answer. One that a new version adds has to be added here.
 * Where it is 404, the contract itself says what that means, as `meanings` has it.
 */
const answers: Record<string, 200 | 404> = {
  'POST /v1/messages': 200,
  'POST /v1/messages/count_tokens': 200,
  'GET /v1/models': 200,
  'POST /v1/metrics': 200,
  'POST /v1/logs': 200,
  'POST /v1/traces': 200,
  [`GET ${metadataPath}`]: 200,
  'GET /managed/settings': 404,
  'GET /api/oauth/usage': 404, // of a key without a budget in dollars
  'POST /oauth/device_authorization': 404,
  'POST /oauth/token': 404,
}

const meanings: Record<string, RegExp> = {
  'GET /managed/settings': /Return `404` for "no managed policy"/,
  'GET /api/oauth/usage': /on a 404 or\s+any other error they show the percent alone/,
  'POST /oauth/device_authorization': /every IdP-backed sign-in route returns 404/,
  'POST /oauth/token': /every IdP-backed sign-in route returns 404/,
}

/** Its errors, and what makes us answer with each. `undefined` for those that we have no reason for. */
const errors: Record<string, Asked | undefined> = {
  '400 invalid_request_error': { body: { messages: 7 } },
  '401 authentication_error': { key: 'wrong' },
  '403 permission_error': { key: 'sk-of-others' },
  '413 request_too_large': { body: { system: 'x'.repeat(200_000) } },
  '429 rate_limit_error': { says: '[429]' },
  // A cap of a key is 402 here, which no client tries again.
  '429 billing_error': undefined,
  '501 not_supported': undefined,
  '529 overloaded_error': { to: 'full' },
  '5xx api_error': { says: '[500]' },
}

interface Asked {
  key?: string
  says?: string
  body?: object
  to?: 'full'
  headers?: Record<string, string>
}

describe.skipIf(binOf(agent) === undefined || noPostgres !== undefined)(`the contract of ${agent}`, () => {
  let contract = ''
  let metadata: object = {}
  let gateway: RunningGateway
  /** It has no room for a request. */
  let full: RunningGateway
  beforeAll(async () => {
    ;({ text: contract, metadata } = await readContract())
    const policy = policyOf({ rateLimitRpm: 0, rateLimitTpm: 0 })
    const keys = [
      ...clientKeys({ openaiKey: 'sk-own', policy }),
      ...clientKeys({ openaiKey: 'sk-of-others', policy: { ...policy, dialects: ['openai-chat'] } }),
    ]
    const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    gateway = startGateway([upstream], { access: { keys }, maxBodyBytes: 100_000 })
    full = startGateway([upstream], { access: { keys }, limits: { maxConcurrent: 0 } })
  })
  afterAll(() => Promise.all([gateway?.stop(), full?.stop()]))

  async function ask({ key = 'sk-own', says = '[fast] Hello', body, to, headers }: Asked, path = '/v1/messages') {
    const message = { model: 'GLM-4.5', max_tokens: 64, messages: [{ role: 'user', content: says }], ...body }
    const response = await fetch(`${to === 'full' ? full.url : gateway.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(message),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  test('names no request that we have not thought of', () => {
    const named = [...contract.matchAll(/`(GET|POST) (?:\{base\})?(\/[^`\s]*)`/g)].map(
      ([, verb, path]) => `${verb} ${path}`,
    )
    const signals = /`POST \/v1\/metrics`, `\/v1\/logs`, `\/v1\/traces`/.test(contract)
    const defaults = [...contract.matchAll(/`\{base\}(\/oauth\/\w+)`/g)].map(([, path]) => `POST ${path}`)
    const all = [...named, ...defaults, ...(signals ? ['POST /v1/logs', 'POST /v1/traces'] : [])]
    expect(new Set(all)).toEqual(new Set(Object.keys(answers)))
  })

  test.each(Object.entries(answers))('%s is answered with %d', async (request, status) => {
    const [method = '', path = ''] = request.split(' ')
    const body = { model: 'GLM-4.5', max_tokens: 64, messages: [{ role: 'user', content: '[fast] Hello' }] }
    const response = await fetch(gateway.url + path, {
      ...{ method, headers: { authorization: 'Bearer sk-own', 'content-type': 'application/json' } },
      ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
    })
    expect(response.status).toBe(status)
    await response.text()
    if (status === 404) expect(contract).toMatch(meanings[request] ?? /none/)
  })

  test('nobody signs in, and that is said as it says it', async () => {
    expect(contract).toMatch(/the well-known document\s+(?:> )?advertises no OAuth endpoints/)
    const { scopes_supported: _, cri_enabled: __, ...theirs } = metadata as Record<string, unknown>
    const ours = await (await fetch(gateway.url + metadataPath)).json()
    expect(ours).toEqual({ ...theirs, issuer: gateway.url })
  })

  test('names no error that we do not know', () => {
    const rows = [...contract.matchAll(/^\| (\w+) \| `(\w+_\w+)` \|/gm)].map(([, status, type]) => `${status} ${type}`)
    expect(rows).toEqual(Object.keys(errors))
  })

  test.each(Object.entries(errors).flatMap(([name, asked]) => (asked ? [[name, asked] as const] : [])))(
    'the error %s is what the client expects',
    async (name, asked) => {
      const [status = '', type] = name.split(' ')
      const refused = await ask(asked)
      expect(String(refused.status)).toMatch(new RegExp(`^${status.replace('xx', '\\d\\d')}$`))
      expect(JSON.parse(refused.text)).toMatchObject({ type: 'error', error: { type, message: expect.any(String) } })
      if (status === '401') expect(refused.headers.get('x-should-retry')).toBe('false')
      if (status === '429') expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    },
  )

  test('headers that it forwards, and those it does not know, harm no request', async () => {
    const list = /- \*\*Headers\.\*\* Forward ([^;]+);/.exec(contract)?.[1] ?? ''
    const names = [...list.matchAll(/`([\w-]+)\*?`/g)].map(([, name = '']) => name)
    expect(names).toEqual(expect.arrayContaining(['anthropic-version', 'anthropic-beta', 'x-stainless-']))
    const own = ['content-type', 'accept-encoding']
    const sent = names
      .filter((name) => !own.includes(name))
      .map((name) => [name.replace(/-$/, '-lang'), 'of-tomorrow-2027'])
    const hints = [...contract.matchAll(/`(x-[a-z-]+[a-z])`/g)].map(([, name = '']) => [name, 'true'])
    const asked = {
      headers: Object.fromEntries([...sent, ...hints, ['x-app', 'cli']]),
      body: { of_tomorrow: { a: 1 } },
    }
    expect((await ask(asked)).status).toBe(200)
    expect((await ask(asked, '/v1/messages?beta=true&of=tomorrow')).status).toBe(200)
  })

  test('the safety check of its auto mode is refused in the words it goes on after, and tags are let be', async () => {
    expect(contract).toMatch(/`safeguards`.*`400 invalid_request_error`/s)
    const refused = await ask({ body: { safeguards: { auto_mode: {} } } })
    expect([refused.status, JSON.parse(refused.text).error]).toMatchObject([
      400,
      { type: 'invalid_request_error', message: expect.stringMatching(/^safeguards: /) },
    ])
    const tagged = await ask({ body: { tags: { team: 'x' } } })
    expect([tagged.status, tagged.headers.get('x-zai2api-ignored')]).toEqual([200, null])
  })

  test('a stream is not held back, and no header of an upstream is told', async () => {
    const { text, headers } = await ask({ body: { stream: true } })
    expect(text).toContain('event: message_stop')
    for (const name of ['anthropic-organization-id', 'cf-ray', 'via', 'anthropic-ratelimit-unified-status'])
      expect(headers.get(name)).toBeNull()
  })
})
