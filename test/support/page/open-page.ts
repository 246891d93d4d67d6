import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'

export interface Look {
  width?: number
  scheme?: 'light' | 'dark'
  language?: 'en' | 'zh'
}

export interface OpenPage {
  page: Page
  /** Errors and warnings of the console, broken rules of the content security policy, and requests to other servers. */
  complaints: string[]
  [Symbol.asyncDispose](): Promise<void>
}

/** Opens an address of the page in a context of its own and keeps whatever the browser complains of. */
export async function openPage(browser: Browser, url: string, look: Look = {}): Promise<OpenPage> {
  const { width = 1280, scheme = 'light', language = 'en' } = look
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 844 : 900 },
    colorScheme: scheme,
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const complaints: string[] = []
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol.startsWith('http') && origin !== new URL(url).origin) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(url)
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() }
}

const axe = readFileSync(new URL('../../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** What axe-core finds on the page as it is shown, one line for each rule and element. */
export async function axeFindings(page: Page): Promise<string[]> {
  // Through the debugger, since the page lets no inline script in.
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> }
      }
    ).axe.run()
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary.slice(0, 300)}`),
    )
  })
}

/** How far the page can be scrolled sideways, in px. */
export function sidewaysScroll(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}
