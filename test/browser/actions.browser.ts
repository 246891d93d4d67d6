import { expect, setDefaultTimeout, test } from 'bun:test'
import { useBrowser } from '../support/page/browser.ts'
import { openPage } from '../support/page/open-page.ts'
import { startDemo, startProgram } from '../support/page/start-program.ts'

// What the page does at the gateway, and what comes of it.
setDefaultTimeout(120_000)

const running = useBrowser()

/** Resolves when the reply is whole. */
async function ask(url: string, content: string, key = 'any') {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'GLM-4.5', max_tokens: 50, messages: [{ role: 'user', content }] }),
  })
  return { status: response.status, id: response.headers.get('x-request-id'), json: await response.json() }
}

/** Z.AI's API with one answer, which refuses the key while `isRefusing`. */
function scriptedVendor() {
  const state = { isRefusing: true, asked: 0 }
  const chunks = [
    { choices: [{ index: 0, delta: { role: 'assistant', content: 'Hello' } }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 5, completion_tokens: 1 } },
  ]
  const stream = `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      if (!request.url.endsWith('/chat/completions')) return Response.json({ object: 'list', data: [] })
      state.asked++
      return state.isRefusing
        ? Response.json({ error: { code: '1000', message: 'Authentication Failed' } }, { status: 401 })
        : new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
    },
  })
  return { state, base: `http://127.0.0.1:${server.port}/v4`, [Symbol.asyncDispose]: () => server.stop(true) }
}

test('a credential that was refused is tried at once, paused and resumed', async () => {
  await using vendor = scriptedVendor()
  const key = `${'a1b2'.repeat(8)}.${'Qx'.repeat(8)}`
  await using gateway = await startProgram('serve', { ZAI_API_KEY: key, ZAI_API_BASE: vendor.base })
  expect((await ask(gateway.url, 'Hello')).status).toBe(403)
  await using opened = await openPage(running.browser, `${gateway.url}/upstreams`)
  const { page, complaints } = opened
  const row = page.locator('tbody tr', { hasText: 'ZAI_API_KEY' })
  await row.getByText('Blocked').waitFor()
  await row.getByText('Z.AI does not accept the API key').waitFor()

  vendor.state.isRefusing = false
  await row.getByRole('button', { name: 'Try now' }).click()
  await row.getByRole('button', { name: 'Try now' }).waitFor({ state: 'hidden' })
  expect((await ask(gateway.url, 'Hello')).status).toBe(200)
  await row.getByText('Ready').waitFor()

  await row.getByRole('button', { name: 'Pause' }).click()
  await row.getByText('Paused').waitFor()
  const { asked } = vendor.state
  const paused = await ask(gateway.url, 'Hello')
  expect(paused.json.error.message).toContain('has paused')
  expect(vendor.state.asked).toBe(asked)
  await row.getByRole('button', { name: 'Resume' }).click()
  await row.getByText('Ready').waitFor()
  expect((await ask(gateway.url, 'Hello')).status).toBe(200)
  expect(complaints).toEqual([])
})

test('bodies are kept for some minutes from the page of a request that has none', async () => {
  await using gateway = await startDemo({ CAPTURE: 'metadata' })
  const first = await ask(gateway.url, '[fast] before')
  await using opened = await openPage(running.browser, `${gateway.url}/requests/${first.id}`)
  const { page, complaints } = opened
  await page.getByText('Only the numbers of this request were kept').waitFor()
  await page.getByRole('button', { name: /^Keep bodies for \d+ minutes$/ }).click()
  await page.getByText(/Requests from now until .* are kept whole/).waitFor()
  const second = await ask(gateway.url, '[fast] a lighthouse')
  await page.goto(`${gateway.url}/requests/${second.id}?body=1`)
  await page.locator('.talk li', { hasText: 'a lighthouse' }).first().waitFor()
  // What came before stays as it was, and System says until when bodies are kept.
  await page.goto(`${gateway.url}/system`)
  await page.getByText(/Until .*, then metadata\./).waitFor()
  expect(complaints).toEqual([])
})

test('a picture is pasted into a message, and goes to a model that sees', async () => {
  await using gateway = await startDemo({ CAPTURE: 'memory' })
  await using opened = await openPage(running.browser, `${gateway.url}/try`)
  const { page, complaints } = opened
  const field = page.getByRole('textbox', { name: 'Message' })
  await page.getByLabel('Model').selectOption('GLM-4.6V')
  await field.fill('[fast] What is this?')
  await field.evaluate(async (element) => {
    const canvas = new OffscreenCanvas(4, 4)
    canvas.getContext('2d')?.fillRect(0, 0, 4, 4)
    const clipboardData = new DataTransfer()
    clipboardData.items.add(new File([await canvas.convertToBlob()], 'dot.png', { type: 'image/png' }))
    element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
  })
  await page.locator('.chip', { hasText: 'dot.png' }).waitFor()
  await page.getByRole('button', { name: 'Send' }).click()
  await page.locator('.state .st', { hasText: 'Done' }).waitFor()
  // The demo says what has arrived.
  await page.locator('.talk li').last().getByText('image/png').waitFor()
  await page.getByRole('button', { name: 'Start over' }).click()
  await page.getByText('Ask the model something').waitFor()
  expect(complaints).toEqual([])
})

test('a key gets a new secret, which works at once, and the old one does not', async () => {
  await using gateway = await startDemo()
  await using opened = await openPage(running.browser, `${gateway.url}/keys`)
  const { page, complaints } = opened
  const secret = async () => (await page.locator('dialog .code pre').first().textContent()) ?? ''
  await page.getByRole('button', { name: 'Create a key' }).click()
  await page.getByLabel('Name').fill('laptop')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const old = await secret()
  await page.getByRole('button', { name: 'I have copied it' }).click()
  expect((await ask(gateway.url, '[fast] Hello', old)).status).toBe(200)
  await page.getByRole('button', { name: 'Actions for laptop' }).click()
  await page.getByRole('button', { name: 'Rotate the secret' }).click()
  await page.getByRole('button', { name: 'Rotate the secret' }).last().click()
  await page.getByRole('heading', { name: 'laptop is ready' }).waitFor()
  const fresh = await secret()
  expect(fresh).not.toBe(old)
  expect((await ask(gateway.url, '[fast] Hello', fresh)).status).toBe(200)
  expect((await ask(gateway.url, '[fast] Hello', old)).status).toBe(401)
  expect(complaints).toEqual([])
})

test('the licences of what is inside are listed, each with its text', async () => {
  await using gateway = await startDemo()
  await using opened = await openPage(running.browser, `${gateway.url}/system`)
  const { page, complaints } = opened
  await page.getByText('Licences of the packages inside').click()
  const elysia = page.locator('.licences > ul > li', { hasText: /^elysia / })
  await elysia.getByText('Text', { exact: true }).click()
  await elysia.locator('.pre', { hasText: 'Permission is hereby granted' }).waitFor()
  expect(await page.locator('.licences > ul > li', { hasText: /^(bun|preact|zod) / }).count()).toBe(3)
  expect(complaints).toEqual([])
})
