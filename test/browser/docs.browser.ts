import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { launchChromium } from '../support/chromium.ts'
import { type GatewaySettings, startGateway } from '../support/gateway.ts'

// `make test-browser` runs this file; it needs an installed Chromium.
// A page takes seconds where two tests share one core, and one that runs out of time takes the browser with it.
setDefaultTimeout(180_000)

let browser: Browser
/** One for all pages, so that they share a cache. */
let context: BrowserContext
let gateway: ReturnType<typeof start>
beforeAll(async () => {
  browser = await launchChromium()
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  gateway = start()
})
afterAll(async () => {
  await browser.close()
  await gateway.stop()
})

const operations = [
  'POST /v1/chat/completions',
  'POST /v1/responses',
  'POST /v1/responses/input_tokens',
  'GET /v1/responses/{id}',
  'DELETE /v1/responses/{id}',
  'POST /v1/responses/{id}/cancel',
  'GET /v1/responses/{id}/input_items',
  'POST /v1/messages',
  'POST /v1/messages/count_tokens',
  'POST /v1/completions',
  'GET /v1/models',
  'GET /v1/models/{id}',
  'GET /v1/key',
  'GET /healthz',
  'GET /readyz',
]

/** Something of the answer of each that can be tried as it stands. */
const answers = [
  ['POST /v1/chat/completions', '"object": "chat.completion"'],
  ['POST /v1/responses', '"object": "response"'],
  ['POST /v1/messages', '"stop_reason": "end_turn"'],
  ['POST /v1/messages/count_tokens', '"input_tokens": '],
  ['GET /v1/models', '"id": "GLM-4.5"'],
  ['GET /v1/models/{id}', '"context_length": 128000'],
  ['GET /healthz', '"status": "ok"'],
  ['GET /readyz', '"status": "ready"'],
] as const

/** The operations of the document that the page shows. */
async function documented(url: string): Promise<string[]> {
  const { paths }: { paths: Record<string, object> } = await (await fetch(`${url}/openapi.json`)).json()
  return Object.entries(paths).flatMap(([path, verbs]) =>
    Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path}`),
  )
}

describe('the documentation page', () => {
  test('shows every operation, and asks no other server', async () => {
    await using docs = await open(gateway.url)
    const shown = await docs.operations()
    expect(shown).toEqual(expect.arrayContaining(operations))
    expect(shown.toSorted()).toEqual((await documented(gateway.url)).toSorted())
    const chat = await docs.expand('POST /v1/chat/completions')
    await chat.getByText('"Say hello in one word."').waitFor()
    await docs.page.screenshot({ path: '.cache/docs.png', fullPage: true })

    await chat.getByText('Schema', { exact: true }).first().click()
    await chat.getByText('reasoning_effort').waitFor()
    expect(docs.requests.filter((url) => !url.startsWith(`${gateway.url}/`))).toEqual([])
    expect(docs.complaints).toEqual([])
  })

  test('gets real answers by Try it out', async () => {
    await using docs = await open(gateway.url)
    for (const [operation, said] of answers) {
      const { status, text } = await docs.tryOut(operation)
      expect({ operation, status, text }).toEqual({ operation, status: 200, text: expect.stringContaining(said) })
    }
    expect(docs.complaints).toEqual([])
  })

  test('sends the key that was typed into Authorize', async () => {
    await using locked = start({ access: { openaiKey: 'sk-typed' } })
    await using docs = await open(locked.url)
    expect(await docs.tryOut('GET /v1/models')).toMatchObject({ status: 401 })

    const dialog = await docs.authorize('bearer', 'sk-typed')
    await docs.page.screenshot({ path: '.cache/docs-authorize.png' })
    await dialog.locator('.close-modal').click()
    expect(await docs.execute('GET /v1/models')).toMatchObject({ status: 200 })
  })

  test('works behind a proxy that adds a prefix', async () => {
    await using proxy = startProxy('/glm', gateway.url)
    await using docs = await open(`${proxy.url}/glm`)
    expect(await docs.tryOut('GET /v1/models')).toMatchObject({ status: 200 })
    expect(docs.requests).toContain(`${proxy.url}/glm/v1/models`)
    expect(docs.complaints).toEqual([])
  })

  test('follows a system that is dark', async () => {
    await using docs = await open(gateway.url, 'dark')
    await docs.expand('POST /v1/messages')
    await docs.page.screenshot({ path: '.cache/docs-dark.png', fullPage: true })
    expect(await docs.page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe('dark')
    expect(docs.complaints).toEqual([])
  })
})

function start(settings: GatewaySettings = {}) {
  const running = startGateway([demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })], settings)
  return { ...running, [Symbol.asyncDispose]: async () => void (await running.stop()) }
}

function startProxy(prefix: string, target: string) {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch({ url }) {
      const { pathname, search } = new URL(url)
      if (!pathname.startsWith(`${prefix}/`)) return new Response(null, { status: 404 })
      return fetch(target + pathname.slice(prefix.length) + search)
    },
  })
  return { url: server.url.origin, [Symbol.asyncDispose]: () => server.stop(true) }
}

/** Opens `/docs` below `url` and waits for what it shows; keeps every request and every complaint of the console. */
async function open(url: string, colorScheme: 'light' | 'dark' = 'light') {
  const page = await context.newPage()
  await page.emulateMedia({ colorScheme })
  page.setDefaultTimeout(20_000)
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  await page.goto(`${url}/docs`)
  await page.locator('.opblock').last().waitFor()
  return { page, requests, complaints, ...reader(page), [Symbol.asyncDispose]: () => page.close() }
}

/** What a reader of the page does, in the words of the page. */
function reader(page: Page) {
  const block = (operation: string) => {
    const [method = '', path = ''] = operation.split(' ')
    return page.locator(`.opblock-${method.toLowerCase()}`, { has: page.locator(`[data-path="${path}"]`) })
  }
  const expand = async (operation: string) => {
    const opened = block(operation)
    await opened.locator('.opblock-summary').click()
    await opened.locator('.opblock-body').waitFor()
    return opened
  }
  const execute = async (operation: string) => {
    const answered = page.waitForResponse((response) => /\/v1\/|z$/.test(response.url()))
    await block(operation).getByRole('button', { name: 'Execute' }).click()
    const status = (await answered).status()
    const answer = block(operation).locator('.live-responses-table .response', { hasText: String(status) })
    return { status, text: await answer.locator('.response-col_description').textContent() }
  }
  return {
    operations: async () => {
      const summaries = await page.locator('.opblock-summary').all()
      return Promise.all(summaries.map(operationOf))
    },
    expand,
    execute,
    async tryOut(operation: string) {
      const opened = await expand(operation)
      await opened.getByRole('button', { name: 'Try it out' }).click()
      return execute(operation)
    },
    async authorize(scheme: string, key: string) {
      await page.locator('.auth-wrapper .authorize').first().click()
      const dialog = page.locator('.modal-ux')
      const form = dialog.locator('.auth-container', { hasText: scheme }).first()
      await form.locator('input').fill(key)
      await form.getByRole('button', { name: 'Apply credentials' }).click()
      return dialog
    },
  }
}

async function operationOf(summary: Locator): Promise<string> {
  const method = await summary.locator('.opblock-summary-method').textContent()
  return `${method} ${await summary.locator('[data-path]').getAttribute('data-path')}`
}
