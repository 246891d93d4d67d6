import { describe, expect, test } from 'bun:test'
import type { Fetch } from '../../../src/http-client/send.ts'
import { chatZai } from '../../support/chat-zai.ts'
import { about, asked, run, unreachable } from './examining.ts'

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
