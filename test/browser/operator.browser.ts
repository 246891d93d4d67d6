import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type GatewaySettings, startGateway, until } from '../support/gateway.ts'
import { useBrowser } from '../support/page/browser.ts'

// What a real browser sends along decides who the operator is: `make test-browser` runs this file.
setDefaultTimeout(60_000)

const running = useBrowser()

const operatorKey = 'sk-of-the-operator'

/** A gateway, and a page of somebody else on another port of this machine. */
async function setUp(access: GatewaySettings['access']) {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })], { access })
  const foreign = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    fetch: () => new Response('<title>foreign</title>', { headers: { 'content-type': 'text/html' } }),
  })
  const context = await running.browser.newContext()
  const page = await context.newPage()
  /** The statuses that the gateway has answered with to what `act` asks of `/admin/api`. */
  const answered = async (act: () => Promise<number>) => {
    gateway.lines.length = 0
    const asked = await act()
    const statuses = () =>
      gateway.lines.flatMap((line) => (line.includes(' /admin/api') ? [/"status":(\d+)/.exec(line)?.[1]] : []))
    await until(() => statuses().length >= asked, `${asked} answers`)
    return statuses()
  }
  return {
    ...{ gateway, page, answered },
    /** The other page, by a name that is the same site as the gateway's address, or another one. */
    foreignUrl: (host: string) => `http://${host}:${foreign.port}/`,
    async [Symbol.asyncDispose]() {
      await context.close()
      await foreign.stop(true)
      await gateway.stop()
    },
  }
}

/** What a page can send without asking first, with whatever cookies there are. Resolves with how many it sent. */
function attack(page: Page, url: string): Promise<number> {
  return page.evaluate(async (target) => {
    // The browser may keep the answer from the page; what counts is what the gateway has done.
    const send = (path: string, init: object = {}) =>
      fetch(target + path, { mode: 'no-cors', credentials: 'include', ...init }).catch(() => {})
    await send('/admin/api/now')
    await send('/admin/api/session', { method: 'POST', body: '{"token":"guess"}' })
    await send('/admin/api/upstreams/demo/test', { method: 'POST' })
    const image = new Image()
    await new Promise((resolve) => {
      image.onerror = resolve
      image.src = `${target}/admin/api/now?image`
    })
    return 4
  }, url)
}

const status = (page: Page, path: string, init: { method?: string; body?: string } = {}) =>
  page.evaluate(async ([address, options]) => (await fetch(address, options)).status, [path, init] as const)

describe('a browser that has signed in', () => {
  test('is the operator on the own page alone', async () => {
    await using world = await setUp({ openaiKey: 'sk-of-clients', operatorKey })
    const { gateway, page, answered, foreignUrl } = world
    await page.goto(`${gateway.url}/healthz`)
    expect(await status(page, '/admin/api/now')).toBe(401)
    const body = JSON.stringify({ token: operatorKey })
    expect(await status(page, '/admin/api/session', { method: 'POST', body })).toBe(204)
    expect(await page.evaluate(() => document.cookie)).toBe('')
    expect(await status(page, '/admin/api/now')).toBe(200)
    expect(await status(page, '/admin/api/upstreams/demo/test', { method: 'POST' })).toBe(200)

    for (const host of ['127.0.0.1', 'localhost']) {
      await page.goto(foreignUrl(host))
      const statuses = await answered(() => attack(page, gateway.url))
      expect([host, statuses.filter((each) => each !== '401' && each !== '403')]).toEqual([host, []])
    }
    // Nobody has used up the tries of the operator, or the session.
    await page.goto(`${gateway.url}/healthz`)
    expect(await status(page, '/admin/api/now')).toBe(200)
    expect(await status(page, '/admin/api/session', { method: 'DELETE' })).toBe(204)
    expect(await status(page, '/admin/api/now')).toBe(401)
  })
})

describe('where no key is set, the own page', () => {
  test('is the only one that is let in', async () => {
    await using world = await setUp({})
    const { gateway, page, answered, foreignUrl } = world
    await page.goto(`${gateway.url}/healthz`)
    expect(await status(page, '/admin/api/now')).toBe(200)
    expect(await status(page, '/admin/api/upstreams/demo/test', { method: 'POST' })).toBe(200)
    for (const host of ['127.0.0.1', 'localhost']) {
      await page.goto(foreignUrl(host))
      expect(await answered(() => attack(page, gateway.url))).toEqual(['403', '403', '403', '403'])
    }
  })
})
