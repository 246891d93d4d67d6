import { expect, test } from 'bun:test'
import { codexModels } from '../../../src/cli/clients/codex-models.ts'
import { type Client, clientSetups } from '../../../src/cli/clients/index.ts'
import type { ClientSetup, ClientTarget } from '../../../src/cli/clients/setup.ts'
import { setupText } from '../../../src/cli/setup-text.ts'

const clients = Object.keys(clientSetups) as Client[]
const url = 'http://127.0.0.1:8080'
const primary = { id: 'glm-5.3', contextTokens: 200_000, maxOutputTokens: 128_000, input: ['text', 'image'] }
const target: ClientTarget = {
  ...{ url, key: "it's a key", primary, small: { id: 'glm-4.5-air' }, named: false },
  models: [primary, { id: 'glm-4.5-air' }],
}

/** What stands between the line that names the file and the one that names the shell. */
function fileIn(text: string): string {
  return text.split('\n\n# Into the start-up file of your shell:\n')[0]?.replace(/^(# .+\n)*/, '') ?? ''
}

test.each<[Client, Record<string, string>]>([
  ['qwen', { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: target.key, OPENAI_MODEL: 'glm-5.3' }],
  ['aider', { OPENAI_API_BASE: `${url}/v1`, OPENAI_API_KEY: target.key, AIDER_MODEL: 'openai/glm-5.3' }],
  [
    'goose',
    {
      ...{ GOOSE_PROVIDER: 'openai', OPENAI_HOST: url, OPENAI_BASE_PATH: 'v1/chat/completions' },
      ...{ OPENAI_API_KEY: target.key, GOOSE_MODEL: 'glm-5.3' },
    },
  ],
  [
    'lobechat',
    { OPENAI_PROXY_URL: `${url}/v1`, OPENAI_API_KEY: target.key, OPENAI_MODEL_LIST: '-all,+glm-5.3,+glm-4.5-air' },
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

test('Codex gets the efforts that each model has, with a high one by default', () => {
  const models = [
    { id: 'glm-5.3', efforts: ['low', 'high', 'max'] },
    { id: 'glm-5.1', efforts: ['low', 'medium'] },
    { id: 'glm-4.5-air' },
  ]
  const { models: made } = JSON.parse(codexModels({ ...target, models, primary: models[0] ?? primary }))
  const efforts = made.map((model: { supported_reasoning_levels: unknown[]; default_reasoning_level: unknown }) => [
    model.supported_reasoning_levels,
    model.default_reasoning_level,
  ])
  expect(efforts).toEqual([
    [
      [
        { effort: 'low', description: 'Short reasoning for easy tasks' },
        { effort: 'high', description: 'Longer reasoning for hard tasks' },
        { effort: 'max', description: 'As much reasoning as the model can do' },
      ],
      'high',
    ],
    [
      [
        { effort: 'low', description: 'Short reasoning for easy tasks' },
        { effort: 'medium', description: 'Reasoning for everyday tasks' },
      ],
      'medium',
    ],
    [[], null],
  ])
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

test.each<[Client, Record<string, string>]>([
  ['claude-desktop', { 'Gateway base URL': url, 'Gateway API key': target.key }],
  ['cherry-studio', { 'API Host': url, 'API Key': target.key }],
  ['jetbrains', { URL: `${url}/v1`, 'API Key': target.key }],
  ['cursor', { 'Override OpenAI Base URL': `${url}/v1`, 'Add model': 'glm-5.3' }],
  ['cline', { 'Base URL': `${url}/v1`, 'Model ID': 'glm-5.3' }],
  ['roo', { 'Base URL': `${url}/v1`, 'Context Window': '200000', 'Image Support': 'on' }],
  ['n8n', { 'Base URL': `${url}/v1`, 'API Key': target.key }],
  ['dify', { 'API Base URL': `${url}/v1`, 'Model context size': '200000', 'Function Call Type': 'Tool Call' }],
])('the form of %s is printed line by line', (client, expected) => {
  const lines = setupText(client, target, 'bash')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# '))
  expect(Object.fromEntries(lines.map((line) => line.split(/: (.*)/)))).toMatchObject(expected)
})

test.each<[Client, unknown]>([
  [
    'vscode',
    [
      {
        ...{ vendor: 'customendpoint', apiType: 'chat-completions', apiKey: target.key },
        models: [
          { id: 'glm-5.3', url: `${url}/v1/chat/completions`, vision: true, maxInputTokens: 200_000 },
          { id: 'glm-4.5-air', toolCalling: true, vision: false },
        ],
      },
    ],
  ],
  [
    'pi',
    {
      providers: {
        zai2api: {
          ...{ baseUrl: `${url}/v1`, api: 'openai-completions', apiKey: '$ZAI2API_KEY' },
          models: [{ id: 'glm-5.3', input: ['text', 'image'], contextWindow: 200_000 }, { id: 'glm-4.5-air' }],
        },
      },
    },
  ],
  [
    'crush',
    {
      models: { large: { provider: 'zai2api', model: 'glm-5.3' }, small: { model: 'glm-4.5-air' } },
      providers: { zai2api: { type: 'openai-compat', base_url: `${url}/v1`, api_key: '$ZAI2API_KEY' } },
    },
  ],
])('the file of %s has every model', (client, expected) => {
  expect(JSON.parse(fileIn(setupText(client, target, 'bash')))).toMatchObject(expected as object)
})

test('Raycast gets a file with address, key and models', () => {
  expect(Bun.YAML.parse(fileIn(setupText('raycast', target, 'bash')))).toMatchObject({
    providers: [
      {
        ...{ base_url: `${url}/v1`, api_keys: { zai2api: target.key } },
        models: [
          { id: 'glm-5.3', context: 200_000, abilities: { vision: { supported: true } } },
          { id: 'glm-4.5-air', context: 128_000, abilities: { tools: { supported: true } } },
        ],
      },
    ],
  })
})

test.each<[Client, string[]]>([
  ['langchain', [`base_url="${url}/v1"`, 'api_key=os.environ["ZAI2API_KEY"]']],
  ['llamaindex', [`api_base="${url}/v1"`, 'context_window=200000']],
  ['langchain-js', [`configuration: { baseURL: "${url}/v1" }`, 'apiKey: env.ZAI2API_KEY']],
  ['llamaindex-js', [`baseURL: "${url}/v1"`, 'apiKey: env.ZAI2API_KEY']],
])('the lines for %s name address, model and variable', (client, parts) => {
  const text = setupText(client, target, 'bash')
  for (const part of ['"glm-5.3"', ...parts, `export ZAI2API_KEY='it'\\''s a key'`]) expect(text).toContain(part)
})

test.each(clients)('%s names what its recipe rests on, and is told the address', (client) => {
  const { label, source }: ClientSetup = clientSetups[client]
  expect(label).not.toBe('')
  if ('read' in source)
    expect(source).toEqual({ read: expect.stringMatching(/./), at: expect.stringMatching(/^20\d\d-\d\d-\d\d$/) })
  else expect(source.ran).not.toBe('')
  expect(setupText(client, target, 'bash')).toContain(url)
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
