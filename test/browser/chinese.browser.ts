import { beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { useDemo } from '../support/page/browser.ts'
import { openPage } from '../support/page/open-page.ts'
import { startDemo } from '../support/page/start-program.ts'

// What a reader of Chinese sees: only names, commands and what others have said are in English.
setDefaultTimeout(180_000)

const running = useDemo({ CAPTURE: 'memory' })
let refused = ''
beforeAll(async () => {
  for (const marker of [
    '',
    '[401]',
    '[402]',
    '[429]',
    '[500]',
    '[captcha]',
    '[overflow]',
    '[cut]',
    '[error-mid]',
    '[empty]',
  ])
    refused = await ask(`[fast] ${marker} 你好`)
  await ask('[fast] [loop] 你好')
  await ask('你好', { model: 'glm-99' })
})

/** Resolves with the id of the request, once it is over. */
async function ask(content: string, more: object = {}): Promise<string> {
  const response = await fetch(`${running.gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'GLM-4.5', max_tokens: 50, messages: [{ role: 'user', content }], ...more }),
  })
  await response.text()
  return response.headers.get('x-request-id') ?? ''
}

/**
 * `true` where the page holds no three words of an English sentence, also in titles and labels; otherwise what it holds.
 * It runs in the page.
 */
function isChinese(): true | string[] {
  const words = /[A-Za-z][a-z’']+(?: [a-z’']+){2,}/
  const quoted = 'code, pre, kbd, .m, .talk, .tree, .code, [lang=en], script, style'
  const found: string[] = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement
    if (parent?.closest(quoted) || !parent?.checkVisibility()) continue
    // A status with the code of its error.
    if (/^\d{3} [a-z ]+$/.test(node.textContent ?? '')) continue
    if (words.test(node.textContent ?? '')) found.push(node.textContent ?? '')
  }
  for (const element of document.querySelectorAll('[title], [aria-label], [placeholder]'))
    for (const name of ['title', 'aria-label', 'placeholder']) {
      const text = element.getAttribute(name) ?? ''
      if (!element.closest(quoted) && words.test(text)) found.push(`${name}: ${text}`)
    }
  return found.length === 0 || found
}

async function expectChinese(page: Page): Promise<void> {
  // Sentences of the gateway come with a file of their own, behind the rest.
  await page.waitForFunction(`(${isChinese})() === true`, undefined, { timeout: 10_000 }).catch(() => {})
  expect(await page.evaluate(isChinese)).toEqual(true)
}

const places: [path: string, complete: string][] = [
  ['/', '.head'],
  ['/requests', 'tr[id]'],
  ['/requests/ID', '.wf'],
  ['/requests?view=errors', 'tr[id]'],
  ['/sessions', 'main'],
  ['/usage', '.plot'],
  ['/keys', 'main'],
  ['/upstreams', '.up'],
  ['/try', '.chat'],
  ['/system', 'main'],
]
test.each(places)('%s', async (path, complete) => {
  await using opened = await openPage(running.browser, running.gateway.url + path.replace('ID', refused), {
    language: 'zh',
  })
  const { page, complaints } = opened
  await page.locator(complete).first().waitFor()
  await expectChinese(page)
  expect(await page.title()).toMatch(/^[\u4e00-\u9fff].* · zai2api$/)
  expect(complaints.filter((each) => !each.includes('404'))).toEqual([])
})

test('what a try is answered with, and what the form of a key says', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/try`, { language: 'zh' })
  const { page } = opened
  await page.getByLabel('消息').fill('[fast] [429] 你好')
  await page.getByRole('button', { name: '发送' }).click()
  await page.locator('.note.bad').waitFor()
  await expectChinese(page)

  await page.goto(`${running.gateway.url}/keys`)
  await page.getByRole('button', { name: '创建密钥' }).click()
  await page.getByLabel('名称').fill('测试')
  await page.getByLabel('上游').fill('nowhere')
  await page.getByRole('button', { name: '添加预算' }).click()
  await page.getByLabel('预算', { exact: true }).fill('10')
  await page.locator('.note', { hasText: '价格未知' }).waitFor()
  await page.getByRole('button', { name: '创建', exact: true }).click()
  await page.getByRole('alert').waitFor()
  await expectChinese(page)
})

test('the page of somebody who has not signed in', async () => {
  await using locked = await startDemo({ ADMIN_TOKEN: 'sk-of-the-operator' })
  await using opened = await openPage(running.browser, locked.url, { language: 'zh' })
  const { page } = opened
  await page.getByRole('heading', { name: '登录' }).waitFor()
  await page.getByLabel('密钥').fill('wrong')
  await page.getByRole('button', { name: '登录' }).click()
  await page.getByText('密钥不对').waitFor()
  await expectChinese(page)
})
