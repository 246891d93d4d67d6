import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Download, Page } from 'playwright-core'
import { useDemo } from '../support/page/browser.ts'
import { openPage } from '../support/page/open-page.ts'

// What leaves the page: a table, a file, a command.
setDefaultTimeout(180_000)

const pictures = '.cache/page'
mkdirSync(pictures, { recursive: true })

const token = 'sk-of-clients-0123456789'

const running = useDemo({ AUTH_TOKEN: token })

/** A request of a client to its end. Resolves with its id. */
async function say(text: string): Promise<string> {
  const response = await fetch(`${running.gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': token, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model: 'GLM-4.5', max_tokens: 100, messages: [{ role: 'user', content: text }] }),
  })
  await response.text()
  return response.headers.get('x-request-id') ?? ''
}

async function open(path: string) {
  const opened = await openPage(running.browser, running.gateway.url + path)
  await opened.page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await opened.page.getByLabel('Key').fill(token)
  await opened.page.keyboard.press('Enter')
  return opened
}

async function downloaded(page: Page, act: () => Promise<unknown>): Promise<Download> {
  const [download] = await Promise.all([page.waitForEvent('download'), act()])
  return download
}

test('usage as a table for a spreadsheet', async () => {
  await say('[fast] Hello')
  await using opened = await open('/usage?by=upstream')
  const { page } = opened
  const link = page.getByRole('link', { name: 'CSV' })
  const download = await downloaded(page, () => link.click())
  expect(download.suggestedFilename()).toBe('usage-by-hour-and-upstream.csv')
  const [head = '', ...rows] = (await Bun.file(await download.path()).text()).trimEnd().split('\r\n')
  expect(head).toBe('at,upstream,requests,errors,input,cached,output,reasoning,credits,usd')
  expect(rows.length).toBe(1)
  expect(rows[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z,demo,1,0,\d+,0,\d+,\d+,,$/)
})

test('a request as one file, which opens without the gateway and loads nothing', async () => {
  const id = await say('[fast] Is <b>this</b> kept?')
  await using opened = await open(`/requests/${id}`)
  const download = await downloaded(opened.page, () => opened.page.getByRole('link', { name: 'Export' }).click())
  expect(download.suggestedFilename()).toBe(`${id}.html`)
  const file = join(running.gateway.home, 'export.html')
  await download.saveAs(file)

  const context = await running.browser.newContext({ offline: true, javaScriptEnabled: false })
  const page = await context.newPage()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(pathToFileURL(file).href)
  await page.getByRole('heading', { level: 1, name: 'GLM-4.5' }).waitFor()
  for (const part of ['Client asked', 'We sent', 'The upstream answered', 'Client got'])
    await page.locator('summary', { hasText: part }).click()
  await page.getByText('Is <b>this</b> kept?').first().waitFor()
  await page.screenshot({ path: `${pictures}/export.png`, fullPage: true })
  expect(asked).toEqual([pathToFileURL(file).href])
  await context.close()
})

test('a request as a command that runs, with the key as a variable', async () => {
  const id = await say("[fast] It's $HOME, `date` and a\nnew line")
  await using opened = await open(`/requests/${id}`)
  const { page } = opened
  await page.getByRole('button', { name: 'Copy as curl' }).click()
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  const command = await page.evaluate(() => navigator.clipboard.readText())
  expect(command).toContain('$ZAI2API_KEY')
  expect(command).not.toContain(token)
  const { stdout } = Bun.spawnSync(['sh', '-c', `${command} -s`], {
    env: { PATH: process.env.PATH ?? '', ZAI2API_KEY: token },
  })
  const reply = JSON.parse(stdout.toString())
  expect(reply).toMatchObject({ type: 'message', stop_reason: 'end_turn' })
  // The model repeats what it was asked.
  expect(JSON.stringify(reply.content)).toContain("It's $HOME, `date` and a")
})
