import { describe, expect, test } from 'bun:test'
import type { Fetch } from '../../../src/http-client/send.ts'
import { about, asked, now, run } from './examining.ts'

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
