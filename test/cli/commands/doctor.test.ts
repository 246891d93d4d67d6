import { describe, expect, test } from 'bun:test'
import { doctor } from '../../../src/cli/commands/doctor/index.ts'
import type { Probes } from '../../../src/cli/commands/doctor/probes.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { UsageError } from '../../../src/config/usage-error.ts'
import { dialects } from '../../../src/dialects/index.ts'
import { replyAddresses } from '../../../src/http/hints.ts'
import type { Fetch } from '../../../src/http-client/send.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { chatZai } from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'

const now = 1_760_000_000_000
/** How many APIs are asked for an answer. */
const asked = replyAddresses(dialects).length

interface World {
  env?: Record<string, string>
  fetch?: Fetch
  proves?: boolean
  /** `ENOTFOUND`, an address, or `silence`, with which every timeout passes at once. */
  name?: string
  port?: string
  /** How many milliseconds the upstream's clock is behind. */
  skewMs?: number
  /** Configurations of proxies on this machine. */
  proxyFiles?: { path: string; text: string }[]
  json?: boolean
  offline?: boolean
  /** Why the configuration is not taken. */
  refused?: { problem: string; remedy: string }
}

async function run(world: World) {
  const result = { code: -1, stdout: '' }
  const io = {
    env: world.env ?? {},
    cwd: '/srv',
    readFile: () => undefined,
    stdout(said: string) {
      result.stdout += said
    },
    stderr(said: string) {
      throw new Error(said)
    },
    version: '1.2.3',
  }
  const { fetch = unreachable('no fetch in this test'), name = '203.0.113.7', port = 'free', skewMs = 0 } = world
  const edge: Probes = {
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      const { status, ok, body, headers } = response
      const dated = headers.get('date') ?? new Date(now - skewMs).toUTCString()
      const get = (name: string) => (name === 'date' ? dated : headers.get(name))
      return { status, ok, body, headers: { get }, text: () => response.text() }
    },
    clock: name === 'silence' ? { now: () => now, monotonic: () => 0, after: impatient } : manualClock(now),
    lookup: async () => {
      if (name === 'silence') return new Promise(() => {})
      if (/^E[A-Z_]+$/.test(name)) throw Object.assign(new Error('lookup'), { code: name })
      return [name]
    },
    tryPort: async () => port,
    proves: async () => world.proves ?? false,
    proxyFiles: () => world.proxyFiles ?? [],
  }
  const { json = false, offline = false } = world
  const load = () => {
    if (world.refused) throw new UsageError(world.refused.problem, world.refused)
    return loadConfig(new Map(), io, upstreamKinds)
  }
  result.code = await doctor(load, io, { json, offline }, edge)
  return { ...result, lines: result.stdout.split('\n') }
}

function impatient(_ms: number, run: () => void): () => void {
  queueMicrotask(run)
  return () => {}
}

function unreachable(code: string): Fetch {
  return async () => {
    throw Object.assign(new Error('connect'), { code })
  }
}

/** The lines about one check: the result, and what to do next. */
function about(check: string, lines: readonly string[]): string {
  const at = lines.findIndex((line) => line.slice(6).startsWith(`${check} `))
  return lines.slice(at, lines[at + 1]?.startsWith('      → ') ? at + 2 : at + 1).join('\n')
}

/** The official API. `known` holds the accepted key of each base URL. */
function officialApi(keys: Record<string, { base: string; elsewhere: string }>, quota: object): Fetch {
  return async (url, { headers, method, body }) => {
    const { pathname, href } = new URL(url)
    if (pathname === '/') return new Response('hello')
    const known = keys[(new Headers(headers).get('authorization') ?? '').replace(/^Bearer /, '')]
    if (pathname.endsWith('/quota/limit')) return Response.json(known ? quota : { success: false, code: 1002 })
    if (!known) return errorResponse('1002', 401)
    if (!href.startsWith(`${known.base}/`)) return errorResponse(known.elsewhere, 429)
    if (method !== 'POST') return Response.json({ object: 'list', data: [{ id: 'glm-4.5', object: 'model' }] })
    if (!String(body).includes('"stream":true'))
      return Response.json({ choices: [{ index: 0, message: { content: 'OK' }, finish_reason: 'stop' }] })
    return new Response(
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'OK' }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
      { headers: { 'content-type': 'text/event-stream' } },
    )
  }
}

function errorResponse(code: string, status: number): Response {
  return Response.json({ error: { code, message: 'words of the vendor' } }, { status })
}

const general = 'https://api.z.ai/api/paas/v4'
const coding = 'https://api.z.ai/api/coding/paas/v4'
const plan = {
  success: true,
  data: { level: 'pro', limits: [{ type: 'TOKENS_LIMIT', unit: 3, number: 5, percentage: 7, nextResetTime: now + 1 }] },
}

test('all checks pass if everything works', async () => {
  const { code, stdout } = await run({ fetch: chatZai().fetch })
  expect(stdout).toBe(`pass  configuration              all defaults
pass  access                     this machine only, with any key; a proxy in front needs AUTH_TOKEN
pass  proxy                      none, connections are direct
pass  port                       8080 on 127.0.0.1 is free
pass  dns chat.z.ai              203.0.113.7
pass  connect chat.z.ai          answers
pass  clock chat.z.ai            this machine is 0 s ahead
pass  captcha                    not asked for
pass  guest                      the site hands out a guest account
pass  POST /v1/chat/completions  GLM-4.5 answers
pass  POST /v1/responses         GLM-4.5 answers
pass  POST /v1/messages          GLM-4.5 answers
pass  POST …:generateContent     GLM-4.5 answers
pass  POST /api/chat             GLM-4.5 answers

14 checks: 14 pass
`)
  expect(code).toBe(0)
})

test('a setting that may not work as expected is a warning', async () => {
  const { code, lines } = await run({ env: { UPSTREAMS: 'demo', CORS_ORIGINS: '*' } })
  expect(about('configuration', lines)).toStartWith('pass  configuration              2 settings from the environment')
  expect(lines[1]).toStartWith('warn  configuration              CORS_ORIGINS=* needs AUTH_TOKEN')
  expect([code, lines.at(-2)]).toEqual([0, `${6 + asked} checks: ${5 + asked} pass, 1 warn`])
})

describe('a proxy of this machine that leads to the gateway', () => {
  const demoOf = (env: Record<string, string>, text: string) =>
    run({
      offline: true,
      env: { UPSTREAMS: 'demo', ...env },
      proxyFiles: [{ path: '/etc/nginx/sites-enabled/llm', text }],
    })

  test.each(['proxy_pass http://127.0.0.1:8080;', 'reverse_proxy localhost:8080', 'server llm [::1]:8080 check'])(
    'opens a gateway without a key to everybody: %s',
    async (text) => {
      expect(about('access', (await demoOf({}, text)).lines)).toBe(
        `warn  access                     any key opens it, and /etc/nginx/sites-enabled/llm leads others to port 8080
      → Set AUTH_TOKEN, and give clients that key.`,
      )
    },
  )

  test.each<[string, Record<string, string>, string]>([
    ['with a key', { AUTH_TOKEN: 'sk-open' }, 'proxy_pass http://127.0.0.1:8080;'],
    ['at another port', { LISTEN_PORT: '8081' }, 'proxy_pass http://127.0.0.1:8080;'],
    ['in a longer number', {}, 'proxy_pass http://127.0.0.1:80800;'],
    ['on another machine', {}, 'proxy_pass http://10.127.0.0.1.example:8080;'],
    ['in a comment', {}, '  # proxy_pass http://127.0.0.1:8080;'],
  ])('is no matter %s', async (_name, env, text) => {
    expect(about('access', (await demoOf(env, text)).lines)).toStartWith('pass  access ')
  })
})

test('the demo needs no network', async () => {
  const { code, lines } = await run({ env: { UPSTREAMS: 'demo' } })
  expect(about('demo', lines)).toBe('pass  demo                       needs neither network nor account')
  expect([code, lines.at(-2)]).toEqual([0, `${5 + asked} checks: ${5 + asked} pass`])
})

describe('without a network', () => {
  test('the name server is named, and the remaining checks are skipped', async () => {
    const { code, stdout } = await run({ name: 'ENOTFOUND' })
    expect(stdout).toEndWith(`fail  dns chat.z.ai              the name cannot be resolved (ENOTFOUND)
      → Check the network connection and the name server; behind a company proxy set HTTPS_PROXY.
skip  connect chat.z.ai          its name is not known
skip  clock chat.z.ai            nobody to compare with
skip  answers                    not tried: no upstream of these settings can be reached

8 checks: 4 pass, 1 fail, 3 skip
`)
    expect(code).toBe(1)
  })

  test('a name server that does not answer times out', async () => {
    const { code, lines } = await run({ name: 'silence' })
    expect(
      about('dns chat.z.ai', lines),
    ).toBe(`fail  dns chat.z.ai              the name server did not answer within 5 s
      → Check the network connection and the name server; behind a company proxy set HTTPS_PROXY.`)
    expect(code).toBe(1)
  })

  test.each([
    [
      'a refused connection',
      'ConnectionRefused',
      {},
      `the connection is refused (ConnectionRefused)
      → A firewall or a wrong address: check the way to chat.z.ai.`,
    ],
    [
      'a certificate of somebody else',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      {},
      `its certificate is not trusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)
      → If a proxy of yours opens TLS, name its certificate in NODE_EXTRA_CA_CERTS; else somebody listens in.`,
    ],
    [
      'a connection that breaks',
      'ECONNRESET',
      {},
      `chat.z.ai could not be reached (ECONNRESET). Check the network, the proxy settings and whether it is up.
      → Check the network, and whether a firewall or a proxy stands in between.`,
    ],
    [
      'a proxy that is not there',
      'ConnectionRefused',
      { HTTPS_PROXY: 'http://me:secret@proxy.example:3128', NO_PROXY: 'localhost' },
      `not through the proxy proxy.example:3128 (ConnectionRefused)
      → Check HTTPS_PROXY, or unset it to go direct.`,
    ],
  ])('%s is named', async (_name, thrown, env, said) => {
    const { code, lines } = await run({ fetch: unreachable(thrown), env })
    expect(about('connect chat.z.ai', lines)).toBe(`fail  connect chat.z.ai          ${said}`)
    expect([code, lines.join('\n').includes('secret')]).toEqual([1, false])
  })
})

describe('the clock', () => {
  const next = '\n      → Set the clock of this machine, best by NTP: requests are signed with the time.'
  test.each([
    [60_000, `pass  clock chat.z.ai            this machine is 60 s ahead`],
    [61_000, `warn  clock chat.z.ai            this machine is 61 s ahead${next}`],
    [-300_000, `warn  clock chat.z.ai            this machine is 300 s behind${next}`],
    [-301_000, `fail  clock chat.z.ai            this machine is 301 s behind${next}`],
  ])('%d ms', async (skewMs, said) => {
    const { code, lines } = await run({ fetch: chatZai().fetch, skewMs })
    expect(about('clock chat.z.ai', lines)).toBe(said)
    expect(code).toBe(said.startsWith('fail') ? 1 : 0)
  })
})

describe('the site', () => {
  test('that asks for a captcha is a warning', async () => {
    const site = chatZai()
    site.script('GET /api/config', Response.json({ features: { enable_captcha: true } }))
    const { lines } = await run({ fetch: site.fetch })
    expect(
      about('captcha', lines),
    ).toBe(`warn  captcha                    the site asks for a captcha, which a gateway cannot solve: guests and many accounts are refused
      → Use an API key: ZAI_API_KEY.`)
  })

  test('that refuses guests leaves no usable upstream', async () => {
    const site = chatZai()
    site.script('GET /api/v1/auths/', Response.json({ detail: 'no' }, { status: 403 }))
    const { code, lines } = await run({ fetch: site.fetch })
    expect(about('guest', lines)).toBe(`fail  guest                      the site hands out no guest account (HTTP 403)
      → Set ZAI_TOKEN to a token of your own, or ZAI_API_KEY to a key of the official API.`)
    expect(about('answers', lines)).toBe(
      'skip  answers                    not tried: no upstream of these settings can be reached',
    )
    expect(code).toBe(1)
  })

  test('tells which token is valid, which is downgraded and which is refused', async () => {
    const site = chatZai()
    const [good, old] = [site.addAccount('Ada'), site.addAccount('Bob')]
    site.revoke(old)
    const refused = 'no-such-token'
    const fetch: Fetch = (url, init) =>
      new Headers(init.headers).get('authorization') === `Bearer ${refused}`
        ? Promise.resolve(Response.json({ detail: '401' }, { status: 401 }))
        : site.fetch(url, init)
    const { code, lines } = await run({ fetch, env: { ZAI_TOKEN: `${good},${old},${refused}`, ANONYMOUS_MODE: 'no' } })
    const next = '\n      → Sign in at chat.z.ai and copy "token" from the local storage of its page into ZAI_TOKEN.'
    expect(about('guest', lines)).toBe('skip  guest                      not wanted (ANONYMOUS_MODE)')
    expect(about('web token 1', lines)).toBe('pass  web token 1                the site knows its account')
    expect(about('web token 2', lines)).toBe(
      `fail  web token 2                it is not accepted any more: the site answers as to a guest${next}`,
    )
    expect(about('web token 3', lines)).toBe(`fail  web token 3                the site refuses it (HTTP 401)${next}`)
    expect(about('POST /v1/messages', lines)).toStartWith('pass')
    expect(code).toBe(1)
  })

  test('without guests and tokens fails without a request', async () => {
    const { lines } = await run({ fetch: chatZai().fetch, env: { ANONYMOUS_MODE: 'no' } })
    expect(
      about('guest', lines),
    ).toBe(`fail  guest                      not wanted (ANONYMOUS_MODE), and there is no token
      → Set ZAI_TOKEN, or ANONYMOUS_MODE=true.`)
  })
})

describe('the official API', () => {
  test('accepts the key and tells its plan', async () => {
    const fetch = officialApi({ 'a.b': { base: coding, elsewhere: '1113' } }, plan)
    const { code, lines } = await run({ fetch, env: { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'coding' } })
    expect(about('api key', lines)).toBe('pass  api key                    accepted at coding')
    expect(about('plan', lines)).toBe('pass  plan                       pro, 5 hours 7 %')
    expect(about('POST /v1/responses', lines)).toBe('pass  POST /v1/responses         GLM-5.4 answers')
    expect([code, lines.at(-2)]).toEqual([0, `${9 + asked} checks: ${9 + asked} pass`])
  })

  test.each([
    [
      'the wrong base: the right one is found',
      { base: coding, elsewhere: '1113' },
      `its account has neither balance nor a plan for this service (1113); it works at coding
      → Set ZAI_API_BASE=coding.`,
    ],
    [
      'a key of the other house: the right one is found',
      { base: 'https://open.bigmodel.cn/api/paas/v4', elsewhere: '1002' },
      `the API does not accept it (1002); it works at bigmodel
      → Set ZAI_API_BASE=bigmodel.`,
    ],
    [
      'no balance anywhere',
      { base: 'https://nowhere.example', elsewhere: '1113' },
      `its account has neither balance nor a plan for this service (1113)
      → Keys of the coding plan need ZAI_API_BASE=coding (or bigmodel-coding), others general (or bigmodel); if that is right, top up the account or use another key.`,
    ],
    [
      'a key that nobody knows',
      undefined,
      `the API does not accept it (1002)
      → Copy the key again, whole, from the page it was made on; it looks like ID.SECRET.`,
    ],
  ])('%s', async (_name, known, said) => {
    const { code, lines } = await run({
      fetch: officialApi(known ? { 'a.b': known } : {}, plan),
      env: { ZAI_API_KEY: 'a.b' },
    })
    expect(about('api key', lines)).toBe(`fail  api key                    ${said}`)
    expect(about('answers', lines)).toBe(
      'skip  answers                    not tried: no upstream of these settings can be reached',
    )
    expect(code).toBe(1)
  })

  test.each([
    [
      'an unknown route, as the vendor answers it',
      () => Response.json({ code: 500, msg: '404 NOT_FOUND', success: false }),
    ],
    [
      'a page in place of the API',
      () => new Response('<html>Sign in</html>', { headers: { 'content-type': 'text/html' } }),
    ],
    ['nothing at all', () => new Response('', { status: 404 })],
  ])('at a wrong base: %s', async (_name, answer) => {
    const { code, lines } = await run({
      fetch: async () => answer(),
      env: { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'http://127.0.0.1:9/typo/v4' },
    })
    expect(about('api key', lines)).toStartWith('fail  api key                    there is no such API at this address')
    expect(about('api key', lines)).toContain('→ Check ZAI_API_BASE')
    expect(code).toBe(1)
  })

  test('with a limit that is reached is a warning', async () => {
    const { code, lines } = await run({
      fetch: officialApi({ 'a.b': { base: 'https://nowhere.example', elsewhere: '1308' } }, plan),
      env: { ZAI_API_KEY: 'a.b' },
    })
    expect(about('api key', lines)).toBe(`warn  api key                    accepted, but its limit is reached (1308)
      → Wait for the reset (zai2api quota says when), or add a key.`)
    expect(code).toBe(0)
  })

  test('at an address of the user: the key is sent nowhere else', async () => {
    const hosts = new Set<string>()
    const api = officialApi({ 'a.b': { base: general, elsewhere: '1113' } }, plan)
    const fetch: Fetch = (url, init) => {
      hosts.add(new URL(url).host)
      return api(url, init)
    }
    const { lines } = await run({ fetch, env: { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'https://relay.example/v4' } })
    expect(
      about('api key', lines),
    ).toBe(`fail  api key                    its account has neither balance nor a plan for this service (1113)
      → Keys of the coding plan need ZAI_API_BASE=coding (or bigmodel-coding), others general (or bigmodel); if that is right, top up the account or use another key.`)
    expect([...hosts]).toEqual(['relay.example'])
  })

  test('at an address of the user that has no plans, nothing is to be mended', async () => {
    const api = officialApi({ 'a.b': { base: 'https://relay.example/v4', elsewhere: '1113' } }, plan)
    const fetch: Fetch = async (url, init) =>
      url.endsWith('/quota/limit') ? new Response('', { status: 404 }) : api(url, init)
    const { code, lines } = await run({ fetch, env: { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'https://relay.example/v4' } })
    expect(about('api key', lines)).toStartWith('pass')
    expect(about('plan', lines)).toBe(
      'skip  plan                       relay.example does not tell the usage of a plan.',
    )
    expect(code).toBe(0)
  })

  test('without a key is not usable', async () => {
    const { lines } = await run({ fetch: officialApi({}, plan), env: { UPSTREAMS: 'zai-api' } })
    expect(about('api key', lines)).toBe(`fail  api key                    there is none
      → Set ZAI_API_KEY to a key of the official API.`)
  })

  test('never gets its key printed', async () => {
    const { stdout } = await run({ fetch: officialApi({}, plan), env: { ZAI_API_KEY: 'id0123.secret' } })
    expect(stdout).not.toContain('secret')
  })
})

describe('the machine', () => {
  test.each<[string, World, string, string]>([
    [
      'a broken configuration',
      { env: { LISTEN_PORT: 'x' } },
      'configuration',
      `fail  configuration              environment variable LISTEN_PORT is "x" but must be a whole number from 0 to 65535
      → Correct it there; zai2api help settings lists them all.`,
    ],
    [
      'a key in this folder, beside an account elsewhere',
      {
        ...{ env: { ZAI_API_KEY: 'a.b' }, offline: true },
        refused: { problem: 'AUTH_TOKEN in /srv/.env would open it', remedy: 'to allow it, set AUTH_TOKEN' },
      },
      'configuration',
      `fail  configuration              AUTH_TOKEN in /srv/.env would open it
      → To allow it, set AUTH_TOKEN.`,
    ],
    [
      'settings of the environment',
      { env: { LISTEN_PORT: '9', AUTH_TOKEN: 'sk-x', LOG_LEVEL: 'off' }, offline: true },
      'configuration',
      'pass  configuration              4 settings from the environment',
    ],
    [
      'strangers without a key',
      { env: { HOST: '0.0.0.0' }, offline: true },
      'access',
      `fail  access                     without AUTH_TOKEN it will not listen on 0.0.0.0
      → Set AUTH_TOKEN, or HOST=127.0.0.1; zai2api serve offers a fresh key.`,
    ],
    [
      'strangers with a key',
      { env: { HOST: '0.0.0.0', AUTH_TOKEN: 'sk-12345' }, offline: true },
      'access',
      'pass  access                     with the key of AUTH_TOKEN',
    ],
    [
      'a proxy that clients would use, too',
      { env: { https_proxy: 'http://proxy.example:3128' }, offline: true },
      'proxy',
      `warn  proxy                      proxy.example:3128 by https_proxy, which clients on this machine would ask for the gateway too
      → Set NO_PROXY=127.0.0.1,localhost for them.`,
    ],
    [
      'a proxy that spares this machine',
      { env: { HTTPS_PROXY: 'http://proxy.example:3128', NO_PROXY: 'localhost,127.0.0.1' }, offline: true },
      'proxy',
      'pass  proxy                      proxy.example:3128 by HTTPS_PROXY',
    ],
    [
      'a proxy that cannot be used',
      { env: { ALL_PROXY: 'socks5://127.0.0.1:1080' } },
      'proxy',
      `fail  proxy                      environment variable ALL_PROXY names a SOCKS proxy, which cannot be used and would be bypassed; name an http:// proxy or unset it
      → Name an http:// proxy, or unset the variable.`,
    ],
    [
      'a port that needs more rights',
      { port: 'EACCES', offline: true },
      'port',
      `fail  port                       8080 on 127.0.0.1 cannot be used (EACCES)
      → Choose another with --port.`,
    ],
    [
      'a port that another program has',
      { port: 'EADDRINUSE', fetch: async () => new Response('hello'), offline: true },
      'port',
      `fail  port                       8080 on 127.0.0.1 is taken by another program
      → Choose another with --port, or --port 0 for any free one.`,
    ],
    [
      'a port that is ours already',
      { port: 'EADDRINUSE', proves: true, offline: true },
      'port',
      'pass  port                       8080 on 127.0.0.1: zai2api already runs there',
    ],
    [
      'a gateway of ours that has other settings',
      { port: 'EADDRINUSE', proves: true, offline: true, fetch: async () => new Response('', { status: 401 }) },
      'gateway',
      `warn  gateway                    the one at http://127.0.0.1:8080 does not take the key of this configuration, so its settings are others
      → Set its AUTH_TOKEN here, or name its file with --config; the other checks are of the settings here.`,
    ],
    [
      'a gateway of ours that takes our key',
      {
        ...{ env: { AUTH_TOKEN: 'sk-one' }, port: 'EADDRINUSE', proves: true, offline: true },
        fetch: async (url, { headers } = {}) =>
          new Response('', {
            status: url.endsWith('/v1/models') && headers?.authorization !== 'Bearer sk-one' ? 401 : 200,
          }),
      },
      'gateway',
      'pass  gateway                    the one at http://127.0.0.1:8080 takes this key and is ready; the other checks are of the settings here',
    ],
    [
      'a gateway of ours that is not ready',
      {
        ...{ port: 'EADDRINUSE', proves: true, offline: true },
        fetch: async (url) => new Response('', { status: url.endsWith('/readyz') ? 503 : 200 }),
      },
      'gateway',
      `warn  gateway                    the one at http://127.0.0.1:8080 takes this key, and none of its upstreams is ready
      → If the other checks pass, it has other settings: its log says why, and the check on its page.`,
    ],
    [
      'a port of one that only says to be ours',
      { port: 'EADDRINUSE', fetch: async () => new Response('zai2api 1.2.3: …'), offline: true },
      'port',
      `warn  port                       8080 on 127.0.0.1: a gateway that does not prove to be yours
      → If it is one of another user, of a container or of an older version, choose another port with --port.`,
    ],
    [
      'any port',
      { env: { LISTEN_PORT: '0' }, port: 'never asked', offline: true },
      'port',
      'pass  port                       any free one',
    ],
  ])('%s', async (_name, world, check, said) => {
    const { code, lines } = await run(world)
    expect(about(check, lines)).toBe(said)
    expect(code).toBe(said.startsWith('fail') ? 1 : 0)
  })
})

test('--offline sends nothing', async () => {
  const { code, lines } = await run({ offline: true, fetch: unreachable('asked all the same') })
  expect(lines.slice(4)).toEqual([
    'skip  upstream                   nothing is asked of the network (--offline)',
    '',
    '5 checks: 4 pass, 1 skip',
    '',
  ])
  expect(code).toBe(0)
})

test('--json prints the same as JSON', async () => {
  const { code, stdout } = await run({ json: true, name: 'EAI_AGAIN' })
  const findings: { status: string; check: string; says?: string; next?: string }[] = JSON.parse(stdout)
  expect(findings.map(({ status, check }) => `${status} ${check}`)).toEqual([
    'pass configuration',
    'pass access',
    'pass proxy',
    'pass port',
    'fail dns chat.z.ai',
    'skip connect chat.z.ai',
    'skip clock chat.z.ai',
    'skip answers',
  ])
  expect(findings[4]).toEqual({
    status: 'fail',
    check: 'dns chat.z.ai',
    says: 'the name cannot be resolved (EAI_AGAIN)',
    next: 'Check the network connection and the name server; behind a company proxy set HTTPS_PROXY.',
  })
  expect(code).toBe(1)
})
