import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { programNames } from '../../../src/cli/client-programs.ts'
import { codexInstructions } from '../../../src/cli/clients/codex-instructions.ts'
import {
  demoEnv,
  folder,
  home,
  installFakeClients,
  onFreePort,
  removeFakeClients,
  run,
  runProgram,
  type Said,
  said,
  sharedScript,
} from './launching.ts'

beforeAll(installFakeClients)
afterAll(removeFakeClients)

describe('a client is run on a gateway of its own:', () => {
  test('claude gets its environment and its arguments unchanged', async () => {
    const { stdout, stderr } = await runProgram(onFreePort(['claude', '-p', 'two words', '--help', '--port', '9']), {
      ...demoEnv,
      ANTHROPIC_API_KEY: 'sk-of-somebody',
      ANTHROPIC_MODEL: 'opus',
      CLAUDE_CODE_USE_BEDROCK: '1',
      KEPT: 'as it was',
    })
    expect(stderr).toBe('')
    const { args, env, status, stranger }: Said = JSON.parse(stdout)
    expect(args).toEqual(['-p', 'two words', '--help', '--port', '9'])
    expect([status, stranger]).toEqual([200, 401])
    const { PATH, HOME, UPSTREAMS, PWD, SHLVL, _, ...rest } = env
    expect(rest).toEqual({
      KEPT: 'as it was',
      ANTHROPIC_BASE_URL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      ANTHROPIC_AUTH_TOKEN: expect.stringMatching(/^sk-[0-9A-Za-z]{32}$/),
      ANTHROPIC_MODEL: 'opus',
      ANTHROPIC_DEFAULT_OPUS_MODEL: 'GLM-4.5',
      ANTHROPIC_DEFAULT_SONNET_MODEL: 'GLM-4.5',
      ANTHROPIC_DEFAULT_HAIKU_MODEL: 'GLM-4.5-Air',
      CLAUDE_CODE_MAX_CONTEXT_TOKENS: '128000',
      CLAUDE_CODE_AUTO_COMPACT_WINDOW: '128000',
      ENABLE_TOOL_SEARCH: 'true',
      API_TIMEOUT_MS: '3000000',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: '1',
    })
  })

  test('gemini gets a home with its own files, and settings of which ours come first', async () => {
    const own = join(folder, 'gemini-user')
    await Bun.write(join(own, '.gemini', 'GEMINI.md'), 'Be brief.')
    await Bun.write(
      join(own, '.gemini', 'settings.json'),
      '{ // chosen at the first start\n "ui": { "theme": "Dark" }, "security": { "auth": { "selectedType": "oauth-personal" }, "keep": 1 } }',
    )
    const state = join(folder, 'gemini-state')
    const more = { HOME: own, XDG_STATE_HOME: state, GOOGLE_API_KEY: 'AIza', GOOGLE_GENAI_USE_VERTEXAI: 'true' }
    const { args, env, status, stranger } = await said(['gemini', '-p', 'Hi'], more)
    expect([args, status, stranger]).toEqual([['-p', 'Hi'], 200, 401])
    expect(env).toMatchObject({ GEMINI_MODEL: 'GLM-4.5', GEMINI_CLI_HOME: join(state, 'zai2api', 'gemini-home') })
    expect([env.GOOGLE_API_KEY, env.GOOGLE_GENAI_USE_VERTEXAI]).toEqual([undefined, undefined])
    const made = join(env.GEMINI_CLI_HOME ?? '', '.gemini')
    expect(await Bun.file(join(made, 'GEMINI.md')).text()).toBe('Be brief.')
    expect(await Bun.file(join(made, 'settings.json')).json()).toEqual({
      ui: { theme: 'Dark' },
      security: { auth: { selectedType: 'gemini-api-key' }, keep: 1 },
      privacy: { usageStatisticsEnabled: false },
      model: { compressionThreshold: 0.061 },
    })
    expect(await Bun.file(join(own, '.gemini', 'settings.json')).text()).toContain('oauth-personal')
    // What the user adds later is there at the next start.
    await Bun.write(join(own, '.gemini', 'commands', 'a.toml'), 'prompt = "b"')
    await said(['gemini'], more)
    expect(await Bun.file(join(made, 'commands', 'a.toml')).text()).toBe('prompt = "b"')
  })

  test('claude uses the configured model', async () => {
    const { env } = await said(['--primary-model', 'glm-5.2', 'claude'])
    expect(env).toMatchObject({
      ANTHROPIC_MODEL: 'GLM-5.2',
      ANTHROPIC_DEFAULT_OPUS_MODEL: 'GLM-5.2',
      ANTHROPIC_DEFAULT_HAIKU_MODEL: 'GLM-4.5-Air',
      CLAUDE_CODE_MAX_CONTEXT_TOKENS: '1000000',
      CLAUDE_CODE_AUTO_COMPACT_WINDOW: '1000000',
    })
  })

  test('codex gets its settings in front of its arguments, the key in the environment', async () => {
    const own = join(folder, 'codex-user')
    const { args, env, status } = await said(['codex', 'exec', '--', 'hi'], { HOME: own })
    const url = /base_url="(.+)"/.exec(args.join('\n'))?.[1]
    const modelsFile = join(own, '.local', 'state', 'zai2api', 'codex-models.json')
    expect(args).toEqual([
      ...['-c', 'model="GLM-4.5"'],
      ...['-c', 'model_provider="zai2api"'],
      ...['-c', `model_catalog_json="${modelsFile}"`],
      ...['-c', 'model_providers.zai2api.name="zai2api"'],
      ...['-c', `model_providers.zai2api.base_url="${url}"`],
      ...['-c', 'model_providers.zai2api.wire_api="responses"'],
      ...['-c', 'model_providers.zai2api.env_key="ZAI2API_KEY"'],
      ...['exec', '--', 'hi'],
    ])
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/)
    expect(env.ZAI2API_KEY).toMatch(/^sk-/)
    expect(status).toBe(200)
  })

  test('codex gets a file of the models, for its user alone, anew at each start', async () => {
    const state = join(folder, 'codex-state')
    const path = join(state, 'zai2api', 'codex-models.json')
    await Bun.write(path, 'of an earlier start')
    await said(['--primary-model', 'glm-5.3', 'codex'], { XDG_STATE_HOME: state })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const { models } = await Bun.file(path).json()
    const [first, ...others] = models
    expect(first).toEqual({
      ...{ slug: 'GLM-5.3', display_name: 'GLM-5.3', description: null, priority: 1 },
      ...{ visibility: 'list', supported_in_api: true, base_instructions: codexInstructions },
      // The demo's models have no choice of efforts.
      ...{ default_reasoning_level: null, supported_reasoning_levels: [] },
      ...{ supports_reasoning_summary_parameter: true, default_reasoning_summary: 'auto', support_verbosity: true },
      ...{ shell_type: 'unified_exec', apply_patch_tool_type: 'freeform', web_search_tool_type: 'text' },
      ...{ supports_search_tool: false, supports_image_detail_original: false, experimental_supported_tools: [] },
      input_modalities: ['text'],
      ...{ context_window: 1_048_576, max_context_window: 1_048_576, effective_context_window_percent: 95 },
      truncation_policy: { mode: 'tokens', limit: 10_000 },
    })
    const flash = others.find(({ slug }: { slug: string }) => slug === 'GLM-4.6V')
    expect(flash).toMatchObject({
      context_window: 128_000,
      input_modalities: ['text', 'image'],
    })
    expect(others.filter(({ slug }: { slug: string }) => slug === 'GLM-5.3')).toEqual([])
  })

  test('codex goes without the file where it cannot be written', async () => {
    const { stdout, stderr } = await run(['codex'], { XDG_STATE_HOME: sharedScript })
    expect(stderr).toMatch(/^zai2api: the client does without \S+codex-models\.json: .+\n$/)
    const { args }: Said = JSON.parse(stdout)
    expect(args).toContain('model_context_window=128000')
    expect(args.join()).not.toContain('model_catalog_json')
  })

  test('opencode gets a provider with every model and its limits, but no variants', async () => {
    const { args, env, status } = await said(['opencode', 'run', 'hi'])
    expect(args).toEqual(['run', 'hi'])
    expect(status).toBe(200)
    const { provider, ...rest } = JSON.parse(env.OPENCODE_CONFIG_CONTENT ?? '')
    expect(rest).toEqual({ model: 'zai2api/GLM-4.5', small_model: 'zai2api/GLM-4.5-Air' })
    const { models, ...how } = provider.zai2api
    expect(how).toEqual({
      npm: '@ai-sdk/openai-compatible',
      name: 'zai2api',
      options: { baseURL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1$/), apiKey: '{env:ZAI2API_KEY}' },
    })
    expect(models['GLM-5.3']).toEqual({
      name: 'GLM-5.3',
      tool_call: true,
      reasoning: true,
      cost: { input: 1.4, output: 4.4, cache_read: 0.26 },
      limit: { context: 1_048_576, output: 131_072 },
    })
    expect(models['GLM-4.6V']).toEqual({
      name: 'GLM-4.6V',
      tool_call: true,
      reasoning: true,
      attachment: true,
      modalities: { input: ['text', 'image'], output: ['text'] },
      cost: { input: 0.3, output: 0.9, cache_read: 0.05 },
      limit: { context: 128_000, output: 32_768 },
    })
    expect(Object.keys(models).filter((id) => /Thinking|Search/.test(id))).toEqual([])
  })

  test('qwen gets its variables, and the kind of its provider where it asks for that', async () => {
    const { args, env, status, stranger } = await said(['qwen', 'Hi'])
    expect([args, status, stranger]).toEqual([['--auth-type', 'openai', '--model', 'GLM-4.5', 'Hi'], 200, 401])
    expect(env).toMatchObject({ OPENAI_MODEL: 'GLM-4.5', OPENAI_BASE_URL: expect.stringMatching(/:\d+\/v1$/) })
    expect((await said(['qwen', 'mcp', 'list'])).args).toEqual(['mcp', 'list'])
  })

  test('pi gets an extension with a provider of every model, and its own commands nothing', async () => {
    const state = join(folder, 'pi-state')
    const file = join(state, 'zai2api', 'pi-provider.js')
    const { args, env, status, stranger } = await said(['pi', '-p', 'Hi'], { XDG_STATE_HOME: state })
    expect(args).toEqual(['--extension', file, '--provider', 'zai2api', '--model', 'GLM-4.5', '-p', 'Hi'])
    expect([status, stranger]).toEqual([200, 401])
    expect(env.ZAI2API_KEY).toMatch(/^sk-/)
    const registered: [string, { models: Record<string, unknown>[] }][] = []
    const { default: register } = await import(file)
    register({ registerProvider: (...given: (typeof registered)[0]) => registered.push(given) })
    const [name, provider] = registered[0] ?? []
    expect([name, provider]).toMatchObject(['zai2api', { api: 'openai-completions', apiKey: 'ZAI2API_KEY' }])
    expect(provider?.models.find(({ id }) => id === 'GLM-5.3')).toEqual({
      ...{ id: 'GLM-5.3', name: 'GLM-5.3', reasoning: true, input: ['text'] },
      ...{ contextWindow: 1_048_576, maxTokens: 131_072 },
      cost: { input: 1.4, output: 4.4, cacheRead: 0.26, cacheWrite: 0 },
    })
    expect((await said(['pi', 'list'], { XDG_STATE_HOME: state })).args).toEqual(['list'])
  })

  test('cline gets a file of providers for its user alone', async () => {
    const state = join(folder, 'cline-state')
    const { args, env, status, stranger } = await said(['cline', 'Hi'], { XDG_STATE_HOME: state })
    expect([args, status, stranger]).toEqual([['Hi'], 200, 401])
    const file = join(state, 'zai2api', 'cline-providers.json')
    expect(env.CLINE_PROVIDER_SETTINGS_PATH).toBe(file)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await Bun.file(file).json()).toMatchObject({
      lastUsedProvider: 'openai-compatible',
      providers: { 'openai-compatible': { settings: { model: 'GLM-4.5', apiKey: expect.stringMatching(/^sk-/) } } },
    })
  })

  test('crush gets a folder with its own files, and its configuration with a provider more', async () => {
    const own = join(folder, 'crush-user')
    const state = join(folder, 'crush-state')
    await Bun.write(
      join(own, '.config', 'crush', 'crush.json'),
      '{ "options": { "debug": true }, "providers": { "a": {} } }',
    )
    await Bun.write(join(own, '.config', 'crush', 'CRUSH.md'), 'Be brief.')
    const { env, status, stranger } = await said(['crush'], { HOME: own, XDG_STATE_HOME: state })
    expect([status, stranger]).toEqual([200, 401])
    const made = env.CRUSH_GLOBAL_CONFIG ?? ''
    expect(made).toBe(join(state, 'zai2api', 'crush-home'))
    expect(await Bun.file(join(made, 'CRUSH.md')).text()).toBe('Be brief.')
    expect(await Bun.file(join(made, 'crush.json')).json()).toMatchObject({
      options: { debug: true },
      models: { large: { provider: 'zai2api', model: 'GLM-4.5' } },
      providers: { a: {}, zai2api: { type: 'openai-compat', api_key: '$ZAI2API_KEY' } },
    })
  })

  test.each([
    ['aider', { AIDER_MODEL: 'openai/GLM-4.5' }],
    ['goose', { GOOSE_PROVIDER: 'openai', GOOSE_MODEL: 'GLM-4.5' }],
  ])('%s gets its variables', async (program, expected) => {
    const { args, env, status, stranger } = await said([program, 'Hi'])
    expect([args, status, stranger]).toEqual([['Hi'], 200, 401])
    expect(env).toMatchObject(expected)
  })

  test.each(['pi', 'cline'])('%s is not run where its file cannot be written', async (program) => {
    const { code, stdout, stderr } = await run([program], { XDG_STATE_HOME: sharedScript })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^zai2api: \w+ needs \S+, which cannot be written: .+\n$/)
  })

  test('the home folder is unchanged', () => {
    // The second entry is Bun's cache, because the test runs from source.
    expect(readdirSync(home).filter((name) => name !== '.bun')).toEqual(['.keep'])
  })
})

test('a client gets no credential of the gateway under any name', async () => {
  const [apiKey, token] = ['a1b2c3d4e5f6.SecretSecret', 'eyJhbGci.eyJpZCI6.SigSigSig']
  for (const program of programNames) {
    const { env } = await said([program], {
      ...{ ZAI_API_KEY: apiKey, ZAI_TOKEN: token, BACKUP_TOKEN: token, AUTH_TOKEN: 'sk-operator-key' },
      ...{ ANTHROPIC_API_KEY: 'sk-of-somebody', OTEL_EXPORTER_OTLP_HEADERS: 'x-key=collector-key' },
      ...{ ANTHROPIC_AUTH_TOKEN: apiKey, GLM_KEY: apiKey, zai_api_key: apiKey, COOKIE: `token=${token}`, KEPT: 'kept' },
      ...{ IN_BASE64: btoa(apiKey), HALF_OF_IT: 'SecretSecret' },
    })
    expect(env.KEPT).toBe('kept')
    expect(env.ZAI_API_KEY).toBeUndefined()
    const all = JSON.stringify(env)
    for (const secret of [
      apiKey,
      btoa(apiKey),
      'SecretSecret',
      token,
      'sk-operator-key',
      'sk-of-somebody',
      'collector-key',
    ])
      expect([program, all.includes(secret)]).toEqual([program, false])
  }
})
