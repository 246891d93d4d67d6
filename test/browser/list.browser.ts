import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { useDemo } from '../support/page/browser.ts'
import { startExampleApi } from '../support/page/example-api.ts'
import { exampleRows } from '../support/page/example-requests.ts'
import { axeFindings, openPage, sidewaysScroll } from '../support/page/open-page.ts'

// What a gateway has only after weeks: 100,000 requests, sessions that were compacted, every kind of failure.
setDefaultTimeout(180_000)

const pictures = '.cache/page'
mkdirSync(pictures, { recursive: true })

const running = useDemo()
let example: ReturnType<typeof startExampleApi>
beforeAll(async () => {
  example = startExampleApi(running.gateway.url)
})
afterAll(async () => {
  await example[Symbol.asyncDispose]()
})

const detail = exampleRows(0).find(({ stop_reason }) => stop_reason === 'tool_use')?.id ?? ''

describe.each([
  ['now-full', '/', '.meter'],
  ['requests-full', '/requests', 'tr[id]'],
  ['request-full', `/requests/${detail}`, '.talk li'],
  ['request-tree', `/requests/${detail}?body=2&view=tree`, '.tree details'],
  ['request-raw', `/requests/${detail}?body=3&view=raw`, '.code pre'],
  ['request-diff', `/requests/${detail}?compare=1-2`, '.diff .add'],
  ['sessions-full', '/sessions', '.plot rect'],
  ['usage-full', '/usage', '.plot rect'],
  ['upstreams-full', '/upstreams', '.line'],
])('%s', (name, path, complete) => {
  test.each([
    ['light', 'en'],
    ['dark', 'zh'],
  ] as const)('%s, %s: fits, is accessible and complains of nothing', async (scheme, language) => {
    await using opened = await openPage(running.browser, example.url + path, { scheme, language })
    const { page, complaints } = opened
    await page.locator(complete).first().waitFor()
    for (const width of [360, 1280, 2560]) {
      await page.setViewportSize({ width, height: width < 500 ? 844 : 900 })
      await page.screenshot({ path: `${pictures}/${name}-${width}-${scheme}-${language}.png` })
      expect({ width, sideways: await sidewaysScroll(page) }).toEqual({ width, sideways: 0 })
      if (width < 2000) expect({ width, found: await axeFindings(page) }).toEqual({ width, found: [] })
    }
    expect(complaints).toEqual([])
  })
})

describe('a long list', () => {
  test('has few rows in the document, however far one scrolls', async () => {
    await using opened = await openPage(running.browser, `${example.url}/requests`)
    const { page, complaints } = opened
    await page.locator('tr[id]').first().waitFor()
    for (let n = 0; n < 20; n++) {
      const rows = await page.locator('.reqs').getAttribute('aria-rowcount')
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
      await page.waitForFunction(
        (before) => document.querySelector('.reqs')?.getAttribute('aria-rowcount') !== before,
        rows,
      )
    }
    expect(Number(await page.locator('.reqs').getAttribute('aria-rowcount'))).toBeGreaterThan(2000)
    expect(await page.locator('tr[id]').count()).toBeLessThan(120)
    // What is in view is there, too.
    const middle = await page.evaluate(() => document.elementFromPoint(600, 500)?.closest('tr')?.id)
    expect(middle).toStartWith('row-')
    expect(complaints).toEqual([])
  })

  test('by keys: down, open, back to the same row', async () => {
    await using opened = await openPage(running.browser, `${example.url}/requests`)
    const { page } = opened
    await page.locator('tr[id]').first().waitFor()
    for (const key of ['j', 'j', 'j', 'k', 'ArrowDown']) await page.keyboard.press(key)
    const chosen = await page.locator('tr[aria-selected=true]').getAttribute('id')
    expect(await page.locator('.reqs').getAttribute('aria-activedescendant')).toBe(chosen)
    await page.keyboard.press('Enter')
    await page.waitForURL(`**/requests/${chosen?.replace('row-', '')}`)
    await page.locator('.wf').waitFor()
    await page.keyboard.press('Escape')
    await page.waitForURL('**/requests')
    expect(await page.locator('tr[aria-selected=true]').getAttribute('id')).toBe(chosen)
  })

  test('the filter stands in the address', async () => {
    await using opened = await openPage(running.browser, `${example.url}/requests`)
    const { page } = opened
    await page.locator('tr[id]').first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('model:glm-5.3 captcha')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/requests?model=glm-5.3&q=captcha')
    await page.locator('.chip', { hasText: 'glm-5.3' }).waitFor()
    await page.getByRole('button', { name: 'Errors' }).click()
    await page.waitForURL('**view=errors*')
  })

  test('stands still when it is paused', async () => {
    await using opened = await openPage(running.browser, `${example.url}/requests`)
    const { page } = opened
    await page.locator('tr[id]').first().waitFor()
    await page.keyboard.press('Space')
    await page.getByText(/Paused at/).waitFor()
    expect(await page.getByRole('button', { name: 'Resume' }).getAttribute('aria-pressed')).toBe('true')
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: 'Pause' }).waitFor()
  })
})

describe('states', () => {
  const failing = (status: number) => () =>
    Response.json(
      { error: { message: 'The database is locked.', type: 'api_error', param: null, code: 'x' } },
      { status },
    )

  test('what failed is said in its place, with one action', async () => {
    await using broken = startExampleApi(running.gateway.url, { 'GET requests': failing(503) })
    await using opened = await openPage(running.browser, `${broken.url}/requests`)
    await opened.page.getByRole('alert').getByText('The database is locked.').waitFor()
    await opened.page.getByRole('button', { name: 'Try again' }).waitFor()
    expect(await axeFindings(opened.page)).toEqual([])
  })

  test('nothing yet: the next step', async () => {
    await using empty = startExampleApi(running.gateway.url, {
      'GET requests': () => Response.json({ rows: [] }),
      'GET events': () => new Response('event: state\ndata: {"ready":true,"upstreams":[],"running":[]}\n\n'),
    })
    await using opened = await openPage(running.browser, `${empty.url}/requests`)
    await opened.page.getByText('No requests yet').waitFor()
  })

  test('no word from the gateway: the age of what is shown', async () => {
    await using silent = startExampleApi(running.gateway.url, { 'GET events': failing(503) })
    await using opened = await openPage(running.browser, `${silent.url}/`)
    await opened.page.getByText(/No word from the gateway for/).waitFor()
    await opened.page.getByRole('button', { name: 'Try now' }).waitFor()
    await opened.page.screenshot({ path: `${pictures}/stale.png` })
  })

  test('only numbers were kept: how to keep more', async () => {
    const row = exampleRows(Date.now()).find(({ id }) => id === detail)
    const kept = { ...row, timeline: [], attempts: [], routing: [], bodies: { not_captured: 'CAPTURE is metadata.' } }
    await using numbers = startExampleApi(running.gateway.url, {
      [`GET requests/${detail}`]: () => Response.json(kept),
    })
    await using opened = await openPage(running.browser, `${numbers.url}/requests/${detail}`)
    await opened.page.getByText('CAPTURE is metadata.').waitFor()
    expect(await opened.page.getByRole('button', { name: 'Replay' }).count()).toBe(0)
  })

  test('nobody to ask: three ways to Z.AI', async () => {
    await using bare = startExampleApi(running.gateway.url, {
      'GET now': async () => {
        const { exampleNow } = await import('../support/page/example-now.ts')
        const now = exampleNow(Date.now())
        const reason = { code: 'captcha_required', reason: 'chat.z.ai turns guests away.', remedy: 'Set ZAI_API_KEY.' }
        const hour = { ...now.last_hour, requests: 0, errors: 0 }
        return Response.json({ ...now, ...reason, ready: false, credentials: { ready: 0, of: 1 }, last_hour: hour })
      },
    })
    await using opened = await openPage(running.browser, `${bare.url}/`)
    await opened.page.getByRole('heading', { name: /One thing is missing/ }).waitFor()
    await opened.page.screenshot({ path: `${pictures}/first-run.png` })
    expect(await axeFindings(opened.page)).toEqual([])
  })
})
