import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { storedRequest } from '../../src/admin/request-row.ts'
import type { RequestRow } from '../../src/admin/schema/requests.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { mostRows, rowsKept } from '../../src/page/requests/kept-rows.ts'
import { insertRequests } from '../../src/store/requests.ts'
import { useBrowser } from '../support/page/browser.ts'
import { startExampleApi } from '../support/page/example-api.ts'
import { openPage } from '../support/page/open-page.ts'
import { startDemo } from '../support/page/start-program.ts'

// A list that is left open leaves old rows out, and reads them from the gateway where a reader goes down to them.
setDefaultTimeout(180_000)

const running = useBrowser()

const before = 1_500
const meanwhile = mostRows + 200
const begin = Date.now() - 3_600_000

/** Some of them came in the same millisecond. */
const row = (n: number): RequestRow => ({
  ...{ id: `req_${String(n).padStart(8, '0')}`, at: begin + Math.floor(n / 3), state: 'done', status: 200 },
  ...{ key: { id: 'master', label: 'AUTH_TOKEN' }, route: '/v1/messages', model: 'GLM-4.5', stream: true },
  ...{ total_ms: 10, notes: [], ignored: [] },
})
const rows = (from: number, count: number) => Array.from({ length: count }, (_, n) => row(from + n))

/** The numbers of the rows in the document, from the top. */
const shown = (page: Page) =>
  page.evaluate(() => [...document.querySelectorAll('tr[id]')].map(({ id }) => Number(id.replace('row-req_', ''))))

const rowCount = async (page: Page) => Number(await page.locator('.reqs').getAttribute('aria-rowcount')) - 1

test('rows that were left out are read again, each once and in their order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-rows-'))
  const path = join(folder, 'rows.sqlite')
  try {
    await using gateway = await startDemo({ DATABASE_URL: `sqlite:${path}` })
    const store = openSqlite({ path, clock: systemClock, warn: () => {} })
    const insert = async (added: readonly RequestRow[]) => {
      for (let at = 0; at < added.length; at += 500)
        await insertRequests(
          store,
          added.slice(at, at + 500).map((each) => storedRequest(each)),
        )
    }
    try {
      await insert(rows(0, before))
      const { promise: told, resolve: tell } = Promise.withResolvers<void>()
      // The page connects again where nothing comes for long.
      const news = rows(before, meanwhile)
      const events = () =>
        new Response(
          eventsOf(() => news.splice(0), told),
          { headers: eventStream },
        )
      await using api = startExampleApi(gateway.url, { 'GET events': events, 'GET requests': () => undefined })
      await using opened = await openPage(running.browser, `${api.url}/requests`)
      const { page, complaints } = opened
      page.setDefaultTimeout(60_000)
      await page.locator(`#row-${row(before - 1).id}`).waitFor()
      await insert(rows(before, meanwhile))
      tell()
      await page.locator(`#row-${row(before + meanwhile - 1).id}`).waitFor()
      expect(await rowCount(page)).toBeLessThan(rowsKept + before)

      for (let end = false; !end; ) {
        const known = await rowCount(page)
        await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
        await page.waitForFunction(
          (count) =>
            document.querySelector('.reqs')?.getAttribute('aria-rowcount') !== String(count + 1) ||
            document.querySelector('.end-line')?.textContent?.includes('there are no older ones'),
          known,
        )
        const numbers = await shown(page)
        expect(numbers).toEqual(numbers.map((_, n) => (numbers[0] ?? 0) - n))
        end = await page.getByText('there are no older ones').isVisible()
      }
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
      await page.locator(`#row-${row(0).id}`).waitFor()
      expect(await rowCount(page)).toBe(before + meanwhile)
      expect(complaints).toEqual([])
    } finally {
      await store.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

const eventStream = { 'content-type': 'text/event-stream' }

/** What the gateway is, and once `told` has come, all of the requests at once. */
function eventsOf(ended: () => readonly RequestRow[], told: Promise<void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const event = (name: string, data: object) => encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(event('state', { ready: true, upstreams: [], running: [] }))
      await told
      for (const each of ended()) controller.enqueue(event('request', each))
    },
  })
}
