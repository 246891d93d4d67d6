import { expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { pagePaths } from '../../src/admin/schema/page-paths.ts'
import { chunks } from '../support/compatible-server.ts'
import { useBrowser } from '../support/page/browser.ts'
import { openPage } from '../support/page/open-page.ts'
import { startProgram } from '../support/page/start-program.ts'

setDefaultTimeout(180_000)

const running = useBrowser()

/** Secrets of every kind that passes a gateway, each of which would be known again anywhere. */
const planted = {
  upstreamKey: '4f0a9c17b2e84d6d9a1c55e0f7263b88.Pl4ntedUpstream7Qk',
  operator: 'sk-Pl4nted-0perator-f81d4fae7dec',
  prompt: 'sk-proj-Pl4ntedPrompt-11d0a76500a0c91e',
  header: 'Pl4ntedHeader-6bf6b1f0c0de4d2a',
  cookie: 'Pl4ntedCookie-9e107d9d372bb682',
}

test('secrets stand in no place, row, body, export, table and file', async () => {
  // The upstream repeats its key, in two pieces and in the words of an error.
  const half = Math.round(planted.upstreamKey.length / 2)
  await using upstream = startUpstream(
    chunks({ content: planted.upstreamKey.slice(0, half) }, { content: `${planted.upstreamKey.slice(half)}, it is.` }),
    Response.json({ error: { code: '1210', message: `Bad key ${planted.upstreamKey}` } }, { status: 400 }),
  )
  await using gateway = await startProgram('serve', {
    ...{ ZAI_API_KEY: planted.upstreamKey, ZAI_API_BASE: upstream.base, UPSTREAMS: 'zai-api' },
    ...{ ADMIN_TOKEN: planted.operator, AUTH_TOKEN: 'sk-of-clients-00000000', CAPTURE: 'disk' },
  })
  await using opened = await openPage(running.browser, `${gateway.url}/keys`)
  const { page } = opened
  const shown: { where: string; text: string }[] = []
  await page.getByLabel('Key').fill(planted.operator)
  await page.keyboard.press('Enter')
  const clientKey = await makeKey(page)
  const secrets = { ...planted, clientKey }
  // From here on, whatever the gateway tells the page counts.
  page.on('response', async (response) => {
    if (!response.url().includes('/admin/api/') || response.url().endsWith('/events')) return
    // A browser forgets what it was told once it shows another place.
    const text = await response.text().catch(() => undefined)
    if (text !== undefined) shown.push({ where: response.url(), text })
  })

  const ids = [await say(gateway.url, clientKey, 200), await say(gateway.url, clientKey, 400)]

  for (const path of pagePaths.filter((each) => !each.includes(':') && each !== '/sign-in'))
    shown.push({ where: path, text: await contentOf(page, gateway.url + path) })
  for (const id of ids) {
    for (const view of ['', 'view=tree', 'view=raw'])
      for (const part of [1, 2, 3, 4])
        shown.push({
          where: `${id} ${part} ${view}`,
          text: await contentOf(page, `${gateway.url}/requests/${id}?body=${part}&${view}`),
        })
    shown.push({ where: `${id} compared`, text: await contentOf(page, `${gateway.url}/requests/${id}?compare=1-2`) })
    shown.push({ where: 'export', text: await read(page, `/admin/api/requests/${id}/export`) })
  }
  shown.push({ where: 'csv', text: await read(page, '/admin/api/usage?group=key&format=csv') })
  // Otherwise nothing was looked at.
  const texts = shown.map(({ text }) => text).join('\n')
  for (const word of ['Here is a secret', ', it is.', 'Bad key', '[redacted]']) expect(texts).toContain(word)
  expect(shown.filter(({ text }) => text.length === 0)).toEqual([])

  await gateway.stop()
  for (const file of filesIn(gateway.home)) shown.push({ where: file, text: readFileSync(file, 'latin1') })
  const found = shown.flatMap(({ where, text }) =>
    Object.entries(secrets).flatMap(([name, secret]) =>
      [secret.slice(0, 16), secret.slice(-16)].some((part) => text.includes(part)) ? [`${name} in ${where}`] : [],
    ),
  )
  expect(found).toEqual([])
})

/** An API of Z.AI that answers with these replies, one after the other. */
function startUpstream(...replies: Response[]) {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch({ url }) {
      if (url.endsWith('/chat/completions')) return replies.shift() ?? new Response(null, { status: 503 })
      return url.endsWith('/models')
        ? Response.json({ object: 'list', data: [{ id: 'glm-4.6', object: 'model' }] })
        : new Response(null, { status: 404 })
    },
  })
  return { base: `${server.url.origin}/api/paas/v4`, [Symbol.asyncDispose]: () => server.stop(true) }
}

async function makeKey(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByLabel('Name').fill('laptop')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const secret = (await page.locator('dialog .code pre').first().textContent()) ?? ''
  await page.getByRole('button', { name: 'I have copied it' }).click()
  return secret
}

/** A request with secrets wherever a client may put some. Resolves with its id. */
async function say(url: string, key: string, status: number): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', authorization: `Bearer ${key}` },
      ...{ 'x-service-token': planted.header, cookie: `session=${planted.cookie}` },
    },
    body: JSON.stringify({
      ...{ model: 'glm-4.6', stream: status === 200, user: planted.prompt },
      messages: [{ role: 'user', content: `Here is a secret: ${planted.prompt}, keep it.` }],
    }),
  })
  await response.text()
  expect(response.status).toBe(status)
  return response.headers.get('x-request-id') ?? ''
}

/** All that a place holds once nothing of it is being read any more: what is seen, and the document behind it. */
async function contentOf(page: Page, url: string): Promise<string> {
  await page.goto(url)
  await page.locator('main :is(h1, h2)').first().waitFor({ state: 'attached' })
  await page.locator('[aria-busy]').waitFor({ state: 'detached' })
  if (url.includes('/requests/'))
    await page.locator('.talk li, .tree div, .code pre, .diff .h, .empty').first().waitFor()
  const seen = await page.locator('body').textContent()
  return `${seen}\n${await page.content()}`
}

/** By the session of the page. */
const read = (page: Page, path: string): Promise<string> =>
  page.evaluate(async (address) => (await fetch(address)).text(), path)

function filesIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? filesIn(path) : [path]
  })
}
