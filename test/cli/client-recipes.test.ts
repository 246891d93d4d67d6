import { expect, test } from 'bun:test'
import type { clientRecipes } from '../../src/cli/client-recipes.ts'
import type { ClientTarget } from '../../src/cli/client-setups.ts'
import { setupText } from '../../src/cli/setup-text.ts'

const url = 'http://127.0.0.1:8080'
const primary = { id: 'glm-5.3', contextTokens: 200_000, maxOutputTokens: 128_000, input: ['text', 'image'] }
const target: ClientTarget = {
  ...{ url, key: "it's a key", primary, small: { id: 'glm-4.5-air' }, named: false },
  models: [primary, { id: 'glm-4.5-air' }],
}

/** What stands between the line that names the file and the one that names the shell. */
function fileIn(text: string): string {
  return text.split('\n\n# Into the start-up file of your shell:\n')[0]?.replace(/^# Into .+:\n/, '') ?? ''
}

test.each<[keyof typeof clientRecipes, Record<string, string>]>([
  ['qwen', { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: target.key, OPENAI_MODEL: 'glm-5.3' }],
  ['aider', { OPENAI_API_BASE: `${url}/v1`, OPENAI_API_KEY: target.key, AIDER_MODEL: 'openai/glm-5.3' }],
  [
    'goose',
    {
      ...{ GOOSE_PROVIDER: 'openai', OPENAI_HOST: url, OPENAI_BASE_PATH: 'v1/chat/completions' },
      ...{ OPENAI_API_KEY: target.key, GOOSE_MODEL: 'glm-5.3' },
    },
  ],
])('a shell that reads what is printed for %s has its variables', (client, expected) => {
  const script = `${setupText(client, target, 'bash')}env -0`
  const { stdout } = Bun.spawnSync(['sh', '-c', script], { env: { PATH: process.env.PATH } })
  const set = Object.fromEntries(
    String(stdout)
      .split('\0')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  expect(set).toMatchObject(expected)
})

test('Zed gets every model with its window, and the key by the variable it looks for', () => {
  const text = setupText('zed', target, 'bash')
  expect(JSON.parse(fileIn(text))).toMatchObject({
    language_models: {
      openai_compatible: {
        zai2api: {
          api_url: `${url}/v1`,
          available_models: [
            { name: 'glm-5.3', max_tokens: 200_000, max_output_tokens: 128_000, capabilities: { images: true } },
            { name: 'glm-4.5-air', max_tokens: 128_000, capabilities: { images: false } },
          ],
        },
      },
    },
  })
  expect(text).toEndWith(`export ZAI2API_API_KEY='it'\\''s a key'\n`)
  expect(fileIn(text)).not.toContain(target.key)
})

test('Continue gets a file with address and key, and no variable', () => {
  const text = setupText('continue', target, 'bash')
  expect(text).not.toContain('start-up file')
  const model = { provider: 'openai', apiBase: `${url}/v1`, apiKey: target.key }
  expect(Bun.YAML.parse(fileIn(text))).toMatchObject({
    schema: 'v1',
    models: [
      { ...model, model: 'glm-5.3', roles: ['chat', 'edit', 'apply'] },
      { ...model, model: 'glm-4.5-air', roles: ['summarize'] },
    ],
  })
})

test('LibreChat gets an endpoint that names the variable with the key', () => {
  const text = setupText('librechat', target, 'bash')
  expect(Bun.YAML.parse(fileIn(text))).toMatchObject({
    endpoints: {
      custom: [
        {
          ...{ name: 'zai2api', apiKey: expect.stringMatching(/^\$\{ZAI2API_KEY\}$/), baseURL: `${url}/v1` },
          ...{ models: { default: ['glm-5.3'], fetch: true }, titleModel: 'glm-4.5-air' },
        },
      ],
    },
  })
  expect(text).toEndWith(`export ZAI2API_KEY='it'\\''s a key'\n`)
})
