import { expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import type { RequestDetail } from '../../src/admin/schema/requests.ts'
import { useDemo } from '../support/page/browser.ts'
import { startExampleApi } from '../support/page/example-api.ts'
import { exampleDetail, exampleRows } from '../support/page/example-requests.ts'
import { openPage } from '../support/page/open-page.ts'

// Where the bars of a request's time begin and end, as they are drawn.
setDefaultTimeout(120_000)

const running = useDemo()

const row = exampleRows(Date.now()).find(({ stop_reason }) => stop_reason === 'tool_use')

/** An attempt that was refused, a wait, and one that answered: the last step ends 18.4 s after the first byte. */
const retried = row && exampleDetail(row)

interface Bar {
  name: string
  look: string
  /** In ms, by the length of the track and the total. */
  from: number
  to: number
  /** In px. */
  width: number
  color: string
  took: string
}

async function barsOf(page: Page, total: number): Promise<Bar[]> {
  return page.evaluate((totalMs) => {
    const lines = [...document.querySelectorAll('.wf li:not(.axis)')]
    return lines.map((line) => {
      const track = line.querySelector('.track')?.getBoundingClientRect() ?? new DOMRect()
      const bar = line.querySelector('.track i')
      const { left, right, width } = bar?.getBoundingClientRect() ?? new DOMRect()
      const ms = (x: number) => ((x - track.left) / track.width) * totalMs
      return {
        name: line.querySelector('.nw')?.textContent ?? '',
        look: bar?.className ?? '',
        ...{ from: ms(left), to: ms(right), width },
        color: bar ? getComputedStyle(bar).backgroundColor : '',
        took: line.querySelector('.n')?.textContent ?? '',
      }
    })
  }, total)
}

async function openRequest(detail: RequestDetail, width: number) {
  const api = startExampleApi(running.gateway.url, { [`GET requests/${detail.id}`]: () => Response.json(detail) })
  const opened = await openPage(running.browser, `${api.url}/requests/${detail.id}`, { width })
  await opened.page.locator('.wf li').nth(1).waitFor()
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]()
      await api[Symbol.asyncDispose]()
    },
  }
}

test.each([360, 1280, 2560])(
  'each step stands where it happened and is as long as it took, %d px wide',
  async (width) => {
    if (!retried) throw new Error('no example')
    await using opened = await openRequest(retried, width)
    const { page, complaints } = opened
    const total = 18_400
    const bars = await barsOf(page, total)
    const expected: [name: string, look: string, from: number, to: number, took: string][] = [
      ['Read body', 'f', 0, 6, '6 ms'],
      ['Attempt 1 · zai-coding', 'e', 6, 315, '309 ms'],
      ['Wait for a slot', 'q', 315, 3_165, '2.85 s'],
      ['Attempt 2 · zai-coding', 'o', 3_165, 18_390, '15.2 s'],
      ['connect', 'f', 3_165, 3_166, '1 ms'],
      ['headers', 'f', 3_166, 3_837, '671 ms'],
      ['first token', 'f', 3_837, 5_100, '1.26 s'],
      ['thinking', 'r', 5_100, 10_020, '4.92 s'],
      ['text', 'w', 10_020, 13_460, '3.44 s'],
      ['tool call Edit', 'w', 13_460, 18_390, '4.93 s'],
      ['Settle, close', 'f', 18_390, 18_393, '3 ms'],
    ]
    expect(bars.map(({ name, look, took }) => [name, look, took])).toEqual(
      expected.map(([name, look, , , took]) => [name, look, took]),
    )
    // A bar that would be too short to be seen is a little longer.
    const pixel = (await page.locator('.wf .track').nth(1).boundingBox())?.width ?? 0
    const seen = (4 / pixel) * total
    for (const [n, [name, , from, to]] of expected.entries()) {
      const bar = bars[n]
      expect({
        name,
        from: Math.abs((bar?.from ?? 0) - from) < seen,
        to: Math.abs((bar?.to ?? 0) - to) < seen,
      }).toEqual({
        ...{ name, from: true, to: true },
      })
      expect(bar?.width).toBeGreaterThan(0)
    }
    expect(complaints).toEqual([])
  },
)

test('what is refused, thinks and writes has a colour of its own', async () => {
  if (!retried) throw new Error('no example')
  await using opened = await openRequest(retried, 1280)
  const bars = await barsOf(opened.page, 18_400)
  const colorOf = (look: string) => bars.find((bar) => bar.look === look)?.color
  const colors = ['e', 'f', 'r', 'w'].map(colorOf)
  expect(new Set(colors).size).toBe(4)
  expect(colors).not.toContain('rgba(0, 0, 0, 0)')
})

test('a request of some milliseconds has marks in milliseconds, and no bar leaves its track', async () => {
  if (!row) throw new Error('no example')
  const timeline: RequestDetail['timeline'] = [
    { kind: 'read', from_ms: 0, to_ms: 0.4 },
    { kind: 'first', from_ms: 0.4, to_ms: 7.8 },
    { kind: 'text', from_ms: 7.8, to_ms: 12 },
  ]
  const quick = { ...exampleDetail({ ...row, total_ms: 12 }), timeline, attempts: [] }
  await using opened = await openRequest(quick, 1280)
  const bars = await barsOf(opened.page, 12)
  expect(bars.map(({ name, took }) => [name, took])).toEqual([
    ['Read body', '0.4 ms'],
    ['first token', '7.4 ms'],
    ['text', '4.2 ms'],
  ])
  expect(await opened.page.locator('.wf .axis .track').textContent()).toBe('0 ms5 ms10 ms')
  for (const { from, to } of bars) expect([from >= -0.05, to <= 12.05]).toEqual([true, true])
})

test('the last mark of the axis stays on a narrow page, also where it is the end', async () => {
  if (!row) throw new Error('the example has no such row')
  const timeline = [{ kind: 'first' as const, label: 'demo', from_ms: 0, to_ms: 1 }]
  const detail = { ...exampleDetail(row), total_ms: 1, attempts: [], timeline }
  await using opened = await openRequest(detail, 360)
  const { scrollWidth, clientWidth } = await opened.page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    return { scrollWidth, clientWidth }
  })
  expect(scrollWidth).toBe(clientWidth)
})
