import { expect, setDefaultTimeout, test } from 'bun:test'
import OpenAI, { APIError } from 'openai'
import { useDemo } from '../support/page/browser.ts'
import { openPage } from '../support/page/open-page.ts'

setDefaultTimeout(180_000)

const running = useDemo({ MCP_SERVERS: '127.0.0.1:1,127.0.0.1:2' })

test("a key made in the page works in OpenAI's SDK, its budget falls, and it is refused when nothing is left", async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/keys`)
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

  const client = new OpenAI({ baseURL: `${running.gateway.url}/v1`, apiKey, maxRetries: 0 })
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

test('the field for MCP servers takes a list, all and none, says what is no address, and the key is held to it', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/keys`)
  const { page, complaints } = opened
  const servers = page.getByLabel('MCP servers')
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByLabel('Name').fill('mcp')
  await servers.fill('127.0.0.1:1, mcp.example.com/mcp')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const field = page.locator('.field', { has: servers })
  await field.getByText('mcp.example.com/mcp is not *, a host such as').waitFor()
  expect(await servers.getAttribute('aria-invalid')).toBe('true')
  await servers.fill('127.0.0.1:1')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const key = (await page.locator('dialog .code pre').first().textContent()) ?? ''
  await page.getByRole('button', { name: 'I have copied it' }).click()

  // Nobody listens at either address: 424 is a server that may be used, 403 one that may not.
  const statusAt = async (port: number) => {
    const { status } = await fetch(`${running.gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ model: 'GLM-4.5', input: '[fast] Hello' },
        tools: [{ type: 'mcp', server_label: 's', server_url: `http://127.0.0.1:${port}/mcp` }],
      }),
    })
    return status
  }
  const statuses = () => Promise.all([statusAt(1), statusAt(2)])
  expect(await statuses()).toEqual([424, 403])

  const change = async (before: string, after: string) => {
    await page.getByRole('button', { name: 'Actions for mcp' }).click()
    await page.getByRole('button', { name: 'Limits' }).click()
    expect(await servers.inputValue()).toBe(before)
    await servers.fill(after)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('dialog').waitFor({ state: 'detached' })
  }
  await change('127.0.0.1:1', '127.0.0.1:1, 127.0.0.1:2')
  expect(await statuses()).toEqual([424, 424])
  await change('127.0.0.1:1, 127.0.0.1:2', 'off')
  expect(await statuses()).toEqual([403, 403])
  await change('off', '')
  expect(await statuses()).toEqual([424, 424])
  // What the browser says of the request that was refused.
  expect(complaints.filter((text) => !text.includes('status of 400'))).toEqual([])
})

test('a key can be made with the keyboard alone: its name is where one types first', async () => {
  await using opened = await openPage(running.browser, `${running.gateway.url}/keys`)
  const { page, complaints } = opened
  const create = page.getByRole('button', { name: 'Create a key' })
  await create.focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.type('typed')
  expect(await page.getByLabel('Name').inputValue()).toBe('typed')
  await page.keyboard.press('Escape')
  expect(await create.evaluate((button) => button === document.activeElement)).toBe(true)
  expect(complaints).toEqual([])
})
