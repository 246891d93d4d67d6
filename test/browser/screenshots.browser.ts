import { beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { useDemo } from '../support/page/browser.ts'
import { openPage } from '../support/page/open-page.ts'

// The screenshots of the documents, from the demo. `make screenshots` writes them into docs/images; `make test-browser`
// makes them too, so that a change of the page that breaks them is noticed.
setDefaultTimeout(180_000)

const folder = process.env.SCREENSHOTS === 'write' ? 'docs/images' : '.cache/page'
const mostBytes = 120_000

const running = useDemo({ PRIMARY_MODEL: 'GLM-5.3' })
/** The id of the request that is shown alone. */
let shown = ''

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  for (const { program, path, body } of traffic) await ask(path, program, body)
  shown = await ask('/v1/messages', programs.claude, {
    ...{ model: 'claude-opus-4-5', max_tokens: 2_000, system: 'You are a careful programmer.', tools },
    messages: [
      {
        role: 'user',
        content: '[think] [tool:read_file {"path":"src/date.ts"}] Why does the date test fail in March?',
      },
    ],
  })
})

const programs = {
  claude: 'claude-cli/2.1.332 (external, cli)',
  codex: 'codex_cli_rs/0.171.0 (Debian 12; x86_64)',
  python: 'OpenAI/Python 3.22.1',
  gemini: 'GeminiCLI/0.61.0 (linux; x64)',
}

const tools = [
  {
    name: 'read_file',
    description: 'Reads a file of the repository',
    input_schema: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
  },
]

const chat = (model: string, content: string) => ({ model, messages: [{ role: 'user', content }] })
const traffic = [
  { program: programs.python, path: '/v1/chat/completions', body: chat('glm-4.5-air', 'Translate "good morning".') },
  {
    program: programs.codex,
    path: '/v1/responses',
    body: { model: 'glm-5.3', input: '[long:100] Explain the parser.' },
  },
  { program: programs.python, path: '/v1/chat/completions', body: chat('gpt-4o-mini', '[429] One more, please.') },
  { program: programs.claude, path: '/v1/messages', body: { ...chat('claude-haiku-4-5', 'A title'), max_tokens: 50 } },
  {
    program: programs.gemini,
    path: '/v1beta/models/gemini-2.5-pro:generateContent',
    body: { contents: [{ role: 'user', parts: [{ text: '[think] What is missing in the tests?' }] }] },
  },
  { program: programs.python, path: '/v1/chat/completions', body: chat('glm-5.3', '[long:200] Write a short story.') },
  {
    program: programs.codex,
    path: '/v1/responses',
    body: { model: 'gpt-5.2-codex', input: '[cut] Rename the class.' },
  },
]

/** Sends a request, reads its reply to the end, and gives its id. */
async function ask(path: string, program: string, body: object): Promise<string> {
  const response = await fetch(running.gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': program },
    body: JSON.stringify(body),
  })
  await response.text()
  return response.headers.get('x-request-id') ?? ''
}

const screens = {
  requests: {
    path: () => '/requests',
    shows: (page: Page) => page.locator(`tr[id="row-${shown}"]`).waitFor(),
    height: 480,
  },
  request: {
    path: () => `/requests/${shown}`,
    shows: (page: Page) => page.locator('.wf .w').first().waitFor(),
    height: 720,
  },
}

test.each(
  Object.entries(screens).flatMap(([name, screen]) =>
    (['light', 'dark'] as const).map((scheme) => [`${name}-${scheme}`, screen, scheme] as const),
  ),
)('the screenshot %s', async (name, { path, shows, height }, scheme) => {
  await using opened = await openPage(running.browser, running.gateway.url + path(), { scheme })
  const { page, complaints } = opened
  await page.setViewportSize({ width: 1280, height })
  await shows(page)
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 80 })
  const image = Buffer.from(data, 'base64')
  writeFileSync(join(folder, `${name}.webp`), image)
  expect(image.length).toBeLessThan(mostBytes)
  expect(complaints).toEqual([])
})
