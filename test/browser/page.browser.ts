import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type GatewaySettings, startGateway } from '../support/gateway.ts'
import { useDemo } from '../support/page/browser.ts'
import { axeFindings, openPage, sidewaysScroll } from '../support/page/open-page.ts'

// `make test-browser` runs this file; it needs an installed Chromium.
setDefaultTimeout(180_000)

const pictures = '.cache/page'
mkdirSync(pictures, { recursive: true })

const running = useDemo()
beforeAll(async () => {
  await Promise.all(['Hello', '[429]', '[think] Hello'].map((text) => say(running.gateway.url, text)))
  // The error names every model, which is more than fits a line.
  await say(running.gateway.url, 'Hello', {}, 'glm-unknown')
})

/** A request of a client, to its end. */
async function say(
  url: string,
  text: string,
  headers: Record<string, string> = {},
  model = 'glm-5.3',
): Promise<Response> {
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, max_tokens: 100, messages: [{ role: 'user', content: text }] }),
  })
  await response.text()
  return response
}

function start(settings: GatewaySettings = {}) {
  const started = startGateway([demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })], settings)
  return { ...started, [Symbol.asyncDispose]: async () => void (await started.stop()) }
}

interface Screen {
  name: string
  path: string
  /** There when the screen is complete. */
  shows: (page: Page) => Promise<unknown>
}

const heading = (name: RegExp) => (page: Page) => page.getByRole('heading', { level: 1, name }).waitFor()

const screens: readonly Screen[] = [
  { name: 'now', path: '/', shows: heading(/Ready|就绪/) },
  { name: 'requests', path: '/requests', shows: (page) => page.locator('tr[id]').first().waitFor() },
  { name: 'sessions', path: '/sessions', shows: heading(/Sessions|会话/) },
  { name: 'usage', path: '/usage', shows: (page) => page.locator('.plot rect').first().waitFor() },
  { name: 'keys', path: '/keys', shows: (page) => page.locator('.empty, tbody tr').first().waitFor() },
  { name: 'upstreams', path: '/upstreams', shows: (page) => page.locator('.up').first().waitFor() },
  { name: 'system', path: '/system', shows: (page) => page.getByText('LISTEN_PORT').waitFor() },
  {
    name: 'try',
    path: '/try',
    shows: (page) =>
      page
        .getByLabel(/^(Model|模型)$/)
        .locator('option')
        .nth(3)
        .waitFor({ state: 'attached' }),
  },
]

const widths = [360, 1280, 2560]

describe.each(screens.map((screen) => [screen.name, screen] as const))('the screen %s', (name, { path, shows }) => {
  test.each([
    ['light', 'en'],
    ['dark', 'zh'],
    ['dark', 'en'],
    ['light', 'zh'],
  ] as const)('%s, %s: fits, is accessible and complains of nothing', async (scheme, language) => {
    await using opened = await openPage(running.browser, running.gateway.url + path, { scheme, language })
    const { page, complaints } = opened
    await shows(page)
    expect(await page.evaluate(() => document.documentElement.lang)).toBe(language === 'zh' ? 'zh-CN' : 'en')
    for (const width of widths) {
      await page.setViewportSize({ width, height: width < 500 ? 844 : 900 })
      await page.screenshot({ path: `${pictures}/${name}-${width}-${scheme}-${language}.png` })
      expect({ width, sideways: await sidewaysScroll(page) }).toEqual({ width, sideways: 0 })
      // What differs between the languages is text, and between 1280 and 2560 px the room around it.
      if (language === 'en' && width < 2000)
        expect({ width, found: await axeFindings(page) }).toEqual({ width, found: [] })
    }
    expect(complaints).toEqual([])
  })
})

describe('Try', () => {
  test.each([
    ['Chat', 'openai-chat'],
    ['Responses', 'openai-responses'],
    ['Messages', 'anthropic-messages'],
    ['Completions', 'openai-completions'],
    ['Gemini', 'gemini'],
    ['Ollama', 'ollama-chat'],
  ])('streams an answer by %s', async (label) => {
    await using opened = await openPage(running.browser, `${running.gateway.url}/try`)
    const { page, complaints } = opened
    await ask(page, label, 'Hello there')
    await page.locator('.state .st', { hasText: 'Done' }).waitFor()
    expect(await page.locator('.talk > li').first().textContent()).toContain('Hello there')
    expect(await page.locator('.talk > li').last().textContent()).toContain('Hello there')
    expect(await page.locator('.state').textContent()).toMatch(/\d+ in, \d+ cached, \d+ out/)
    expect(complaints).toEqual([])
  })

  test('shows the reasoning', async () => {
    await using opened = await openPage(running.browser, `${running.gateway.url}/try`)
    const { page } = opened
    await page.getByLabel('Thinking').selectOption('high')
    await ask(page, 'Messages', '[think] Hello there')
    await page.locator('.state .st', { hasText: 'Done' }).waitFor()
    expect(await page.locator('.think').count()).toBeGreaterThan(0)
  })

  test('answers a call of the tool that runs in the page', async () => {
    await using opened = await openPage(running.browser, `${running.gateway.url}/try`)
    const { page } = opened
    await page.getByLabel('Tools').selectOption('clock')
    await ask(page, 'Chat', '[tool:current_time]')
    await page.locator('.tool', { hasText: 'current_time' }).getByText('"zone"').waitFor()
  })

  test('says what the gateway refuses, in its place', async () => {
    await using opened = await openPage(running.browser, `${running.gateway.url}/try`)
    const { page } = opened
    await ask(page, 'Chat', '[429]')
    await page.locator('.note.bad').waitFor()
    expect(await page.locator('.state').textContent()).toContain('Failed')
  })
})

async function ask(page: Page, api: string, text: string): Promise<void> {
  await page.getByLabel('API').selectOption(api)
  await page.getByLabel('Model').locator('option').nth(3).waitFor({ state: 'attached' })
  await page.getByRole('textbox', { name: 'Message' }).fill(text)
  await page.keyboard.press('Enter')
}

test('the remedy of an error is told in the language of the reader', async () => {
  await using opened = await openPage(running.browser, running.gateway.url, { language: 'zh' })
  await opened.page.getByRole('cell', { name: '减少同时发送的请求，或增加密钥。' }).waitFor()
  await opened.page.getByRole('button', { name: 'EN' }).click()
  await opened.page.getByRole('cell', { name: 'Send fewer at a time, or add a key.' }).waitFor()
})

test('a request is sent, found in the list, read at its four edges and sent again', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/system`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'memory', exact: true }).click()
  await page.getByText(/kept in memory/).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await ask(page, 'Messages', 'Look at me')
  await page.locator('.state .st', { hasText: 'Done' }).waitFor()
  const link = page.getByRole('link', { name: 'Look into it' })
  const id = (await link.getAttribute('href'))?.split('/').at(-1) ?? ''
  await page.getByRole('link', { name: 'Requests' }).first().click()
  await page.locator(`tr[id="row-${id}"]`).click()
  await page.waitForURL(`**/requests/${id}`)
  await page.locator('.wf .w').waitFor()
  for (const n of [1, 2, 3, 4]) {
    await page.keyboard.press(String(n))
    await page.waitForURL(`**body=${n}*`)
    await page.locator('.talk', { hasText: 'Look at me' }).waitFor()
  }
  await page.getByRole('button', { name: 'Tree' }).click()
  await page.locator('.tree details').first().waitFor()
  await page.keyboard.press('d')
  await page.locator('.diff .h').first().waitFor()
  await page.keyboard.press('r')
  await page.getByRole('button', { name: 'Send again' }).click()
  await page.locator('.versus > div').nth(1).locator('.talk', { hasText: 'Look at me' }).waitFor()
  await page.screenshot({ path: `${pictures}/replay.png`, fullPage: true })
  expect(await axeFindings(page)).toEqual([])
  expect(complaints).toEqual([])
})

test('a replay ends when somebody stops it, or leaves it', async () => {
  const started = startGateway([demo({ clock: systemClock, idleMs: 60_000, paceMs: 300 })])
  await using slow = { ...started, [Symbol.asyncDispose]: async () => void (await started.stop()) }
  const post = (path: string, body: object) => fetch(slow.url + path, { method: 'POST', body: JSON.stringify(body) })
  await post('/admin/api/capture', { mode: 'memory' })
  const first = await post('/v1/messages', {
    ...{
      model: 'glm-4.6',
      max_tokens: 200,
      messages: [{ role: 'user', content: 'one two three four five six seven' }],
    },
  })
  await first.text()
  await using opened = await openPage(running.browser, `${slow.url}/requests/${first.headers.get('x-request-id')}`)
  const { page, complaints } = opened
  await page.locator('.wf .w').waitFor()
  await page.keyboard.press('r')
  const again = async () => {
    await page.getByRole('button', { name: 'Send again' }).click()
    await page.getByRole('button', { name: 'Stop' }).waitFor()
    return new URL(page.url()).searchParams.get('replay') ?? ''
  }
  const endOf = async (id: string) => {
    for (;;) {
      const request = await (await fetch(`${slow.url}/admin/api/requests/${id}`)).json()
      if (request.state === 'done') return request.error?.code
    }
  }
  const stopped = await again()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByText('Whoever runs this gateway has ended this request.').first().waitFor()
  expect(await endOf(stopped)).toBe('ended_by_operator')
  const left = await again()
  expect(left).not.toBe(stopped)
  await page.goto(`${slow.url}/keys`)
  expect(await endOf(left)).toBe('ended_by_operator')
  expect(complaints).toEqual([])
})

test('a key is made, limited, used, refused and deleted, all from the page', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/keys`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByLabel('Name').fill('laptop')
  await page.getByRole('button', { name: 'Add a budget' }).click()
  await page.getByLabel('Budget').fill('1k')
  await page.getByLabel('Unit').selectOption('tokens')
  await page.getByLabel('Each').selectOption('day')
  expect(await axeFindings(page)).toEqual([])
  await page.screenshot({ path: `${pictures}/keys-create.png` })
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const secret = (await page.locator('dialog .code pre').first().textContent()) ?? ''
  expect(secret).toMatch(/^z2a_\w{20,}/)
  await page.getByRole('button', { name: 'I have copied it' }).click()
  const row = page.locator('tbody tr', { hasText: 'laptop' })
  await row.getByText('Active').waitFor()
  expect(await page.content()).not.toContain(secret)

  const statuses: number[] = []
  for (let n = 0; n < 40 && statuses.at(-1) !== 402; n++)
    statuses.push((await say(running.gateway.url, 'Hello '.repeat(20), { 'x-api-key': secret })).status)
  expect(statuses[0]).toBe(200)
  expect(statuses.at(-1)).toBe(402)
  await page.reload()
  await row.locator('.bar').waitFor()
  await page.screenshot({ path: `${pictures}/keys-used.png` })

  const choose = async (action: string) => {
    await row.getByRole('button', { name: 'Actions for laptop' }).click()
    await row.getByRole('button', { name: action, exact: true }).click()
  }
  await choose('Disable')
  await row.getByText('Disabled').waitFor()
  await choose('Delete…')
  expect(await page.getByRole('button', { name: 'Delete', exact: true }).isDisabled()).toBe(true)
  await page.getByLabel('Type laptop').fill('laptop')
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await row.waitFor({ state: 'detached' })
  expect((await say(running.gateway.url, 'Hello', { 'x-api-key': secret })).status).not.toBe(402)
  expect(complaints).toEqual([])
})

test('doctor runs step by step', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/system`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'Check everything' }).click()
  await page.getByRole('button', { name: 'Check again' }).waitFor()
  expect(await page.locator('.checks > li').count()).toBeGreaterThan(3)
  await page.screenshot({ path: `${pictures}/doctor.png` })
  expect(await axeFindings(page)).toEqual([])
  expect(complaints).toEqual([])
})

describe('a gateway with a key', () => {
  test('asks for it, counts the tries that are left, and opens', async () => {
    await using locked = start({ access: { openaiKey: 'sk-of-the-operator' } })
    await using opened = await openPage(running.browser, `${locked.url}/try`)
    const { page } = opened
    const field = page.getByLabel('Key')
    await field.fill('sk-wrong')
    await page.keyboard.press('Enter')
    await page.getByText(/That is not the key\. \d tries left/).waitFor()
    await page.screenshot({ path: `${pictures}/sign-in.png` })
    expect(await axeFindings(page)).toEqual([])

    await field.fill('sk-of-the-operator')
    await page.keyboard.press('Enter')
    await ask(page, 'Chat', 'Hello there')
    await page.locator('.state .st', { hasText: 'Done' }).waitFor()
  })
})

test('works behind a proxy that adds a prefix', async () => {
  const prefix = '/glm'
  await using proxy = startProxy(prefix, running.gateway.url)
  await using opened = await openPage(running.browser, `${proxy.url}${prefix}/try`)
  const { page, complaints } = opened
  await ask(page, 'Chat', 'Hello there')
  await page.locator('.state .st', { hasText: 'Done' }).waitFor()
  expect(complaints).toEqual([])
})

function startProxy(prefix: string, target: string) {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch({ url, method, headers, body }) {
      const { pathname, search } = new URL(url)
      if (!pathname.startsWith(`${prefix}/`)) return new Response(null, { status: 404 })
      return fetch(target + pathname.slice(prefix.length) + search, { method, headers, body, decompress: false })
    },
  })
  return { url: server.url.origin, [Symbol.asyncDispose]: () => server.stop(true) }
}
