import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import OpenAI, { APIError } from 'openai'
import type { Browser } from 'playwright-core'
import { launchChromium } from '../support/chromium.ts'
import { openPage } from '../support/page/open-page.ts'
import { startDemo } from '../support/page/start-program.ts'

setDefaultTimeout(180_000)

let browser: Browser
let gateway: Awaited<ReturnType<typeof startDemo>>
beforeAll(async () => {
  browser = await launchChromium()
  gateway = await startDemo()
})
afterAll(async () => {
  await browser.close()
  await gateway[Symbol.asyncDispose]()
})

test("a key made in the page works in OpenAI's SDK, its budget falls, and it is refused when nothing is left", async () => {
  await using opened = await openPage(browser, `${gateway.url}/keys`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByLabel('Name').fill('sdk')
  await page.getByRole('button', { name: 'Add a budget' }).click()
  await page.getByLabel('Budget').fill('3k')
  await page.getByLabel('Unit').selectOption('tokens')
  await page.getByLabel('Each').selectOption('day')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const apiKey = (await page.locator('dialog .code pre').first().textContent()) ?? ''
  await page.getByRole('button', { name: 'I have copied it' }).click()
  const row = page.locator('tbody tr', { hasText: 'sdk' })
  await row.getByText('0 of 3,000 tok').waitFor()

  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 })
  const ask = () =>
    client.chat.completions.create({
      model: 'GLM-4.5',
      max_tokens: 200,
      messages: [{ role: 'user', content: '[fast] [long:100] Tell me more.' }],
    })
  const first = await ask()
  expect(first.choices[0]?.message.content).toBeTruthy()
  const used = first.usage?.total_tokens
  await row.getByText(`${used} of 3,000 tok`).waitFor()

  let refusal: unknown
  for (let n = 0; n < 40 && refusal === undefined; n++)
    await ask().catch((thrown: unknown) => {
      refusal = thrown
    })
  if (!(refusal instanceof APIError)) throw new Error('The budget did not end.')
  expect({ status: refusal.status, code: refusal.code }).toEqual({ status: 402, code: 'budget_used_up' })
  expect(refusal.message).toMatch(/\d{4}-\d\d-\d\dT00:00/)

  await row.getByText(/Used up|Over 80 %/).waitFor()
  const [spent = ''] = (await row.locator('.bud').textContent())?.match(/^[\d,]+/) ?? []
  expect(Number(spent.replace(',', ''))).toBeGreaterThan(2_400)
  expect(Number(spent.replace(',', ''))).toBeLessThanOrEqual(3_000)
  expect(complaints).toEqual([])
})
