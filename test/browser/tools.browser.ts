import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { useDemo } from '../support/page/browser.ts'
import { startExampleApi } from '../support/page/example-api.ts'
import { axeFindings, openPage } from '../support/page/open-page.ts'

// What screens offer beside what they show.
setDefaultTimeout(120_000)

const running = useDemo()
let example: ReturnType<typeof startExampleApi>
beforeAll(async () => {
  example = startExampleApi(running.gateway.url)
})
afterAll(async () => {
  await example[Symbol.asyncDispose]()
})

test('a budget tells what it comes to, and an unknown upstream is refused at its field', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/keys`)
  const { page } = opened
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByLabel('Name').fill('walk')
  await page.getByLabel('Models').fill('glm-5.3-flash')
  await page.getByRole('button', { name: 'Add a budget' }).click()
  await page.getByLabel('Budget').fill('10')
  await page.getByText('$10 is about 76M tokens of glm-5.3-flash').waitFor()
  await page.getByLabel('Upstreams').fill('nowhere')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page
    .getByRole('alert')
    .filter({ hasText: 'there is no upstream "nowhere" here; expected some of demo' })
    .waitFor()
  await page.getByLabel('Upstreams').fill('demo')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByRole('button', { name: 'I have copied it' }).click()
  await page.getByText('at demo').waitFor()
})

test('a budget in dollars says which models it refuses, and how they get a price', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/keys`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByRole('button', { name: 'Add a budget' }).click()
  await page.getByLabel('Budget', { exact: true }).fill('10')
  const note = page.locator('.note', { hasText: 'Refused, because no price is known: GLM-5.4' })
  await note.getByText(/Prices are known of GLM-5.3-Flash.* and \d+ others/).waitFor()
  await page.getByText('id = "GLM-5.4"').waitFor()
  expect(await axeFindings(page)).toEqual([])
  await page.screenshot({ path: '.cache/page/key-prices.png' })
  // Tokens are counted of every model, and these two have their price.
  await page.getByLabel('Unit').selectOption('tokens')
  await note.waitFor({ state: 'hidden' })
  await page.getByLabel('Unit').selectOption('usd')
  await note.waitFor()
  await page.getByLabel('Models').fill('glm-4.5, GLM-5.3')
  await note.waitFor({ state: 'hidden' })
  expect(complaints).toEqual([])
})

test('all upstreams are tested, and an upstream leads to its requests', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/upstreams`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'Test all' }).click()
  await page.getByText(/It answers, and lists \d+ models\./).waitFor()
  await page.getByRole('button', { name: 'Test all' }).waitFor()
  await page.getByRole('button', { name: 'Actions for demo' }).click()
  await page.getByRole('button', { name: 'Its requests' }).click()
  await page.waitForURL(/requests\?upstream=demo$/)
  expect(complaints).toEqual([])
})

test('a test of all is stopped in its place, and the next one begins anew', async () => {
  const asked: string[] = []
  const hanging = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const answer = (name: string) => {
    asked.push(name)
    return Response.json({ ok: true, text: 'It answers.', ms: 12 })
  }
  await using slow = startExampleApi(running.gateway.url, {
    'POST upstreams/zai-coding/test': () => answer('zai-coding'),
    // It says nothing until its client leaves; the next time it answers.
    'POST upstreams/zai-api/credentials/c1/test': async ({ signal }) => {
      if (asked.includes('zai-api c1')) return answer('zai-api c1')
      asked.push('zai-api c1')
      signal.addEventListener('abort', () => left.resolve())
      hanging.resolve()
      await left.promise
      return new Response(null, { status: 499 })
    },
    'POST upstreams/zai-api/credentials/c2/test': () => answer('zai-api c2'),
    'POST upstreams/zai-web/test': () => answer('zai-web'),
  })
  await using opened = await openPage(running.browser, `${slow.url}/upstreams`)
  const { page, complaints } = opened
  await page.getByRole('button', { name: 'Test all' }).click()
  await hanging.promise
  await page.getByText('2 of 4: zai-api, key 1').waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await left.promise
  await page.getByRole('button', { name: 'Test all' }).waitFor()
  // What was found stays; of what was stopped nothing is said, and the others are not asked.
  expect(await page.getByText('It answers.').count()).toBe(1)
  expect(await page.getByText('asking').count()).toBe(0)
  expect(asked).toEqual(['zai-coding', 'zai-api c1'])

  await page.getByRole('button', { name: 'Test all' }).click()
  await page.waitForFunction(() => document.body.textContent.split('It answers.').length === 5)
  await page.getByRole('button', { name: 'Test all' }).waitFor()
  expect(asked.slice(2)).toEqual(['zai-coding', 'zai-api c1', 'zai-api c2', 'zai-web'])
  expect(complaints).toEqual([])
})

test('usage between two days stands in the address', async () => {
  await using opened = await openPage(
    running.browser,
    `${example.url}/usage?range=custom&from=2026-11-03&to=2026-11-09`,
  )
  const { page, complaints } = opened
  expect(await page.getByLabel('First day').inputValue()).toBe('2026-11-03')
  await page.getByLabel('Last day').fill('2026-11-12')
  await page.waitForURL(/to=2026-11-12/)
  await page.getByLabel('First day').fill('2026-11-20')
  await page.getByText('The first day is behind the last one').waitFor()
  await page.getByRole('button', { name: '7 d' }).click()
  await page.waitForURL(/usage\?range=7d$/)
  expect(complaints).toEqual([])
})

test('columns that are left out stay so, and the list is taken along as a table', async () => {
  await using opened = await openPage(running.browser, `${example.url}/requests`)
  const { page, complaints } = opened
  const cost = page.getByRole('columnheader', { name: 'Cost' })
  await cost.waitFor()
  await page.getByRole('button', { name: 'Columns' }).click()
  await page.getByLabel('Cost').uncheck()
  await cost.waitFor({ state: 'hidden' })
  await page.reload()
  await page.locator('tr[id]').first().waitFor()
  expect(await cost.isVisible()).toBe(false)
  const link = page.getByRole('link', { name: 'As a table (CSV)' })
  expect(await link.getAttribute('href')).toContain('/admin/api/requests?limit=200&format=csv')
  expect(complaints).toEqual([])
})
