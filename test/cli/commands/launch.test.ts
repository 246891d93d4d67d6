import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../../src/async/system-clock.ts'
import { programNames } from '../../../src/cli/client-programs.ts'
import { codexInstructions } from '../../../src/cli/clients/codex-instructions.ts'
import { ensureSecret } from '../../../src/cli/gateway-secret.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'

const main = resolve(import.meta.dir, '../../../src/main.ts')
const sharedScript = resolve(import.meta.dir, '../../support/command-lines.ts')
const folder = mkdtempSync(join(tmpdir(), 'zai2api-launch-'))
const home = join(folder, 'home')

/** A fake client: prints its arguments, its environment and the gateway's response on one line, then acts as configured. */
const fakeClient = `
const { FAKE: action = '0', ...env } = process.env
const files = [env.CLINE_PROVIDER_SETTINGS_PATH, env.CRUSH_GLOBAL_CONFIG && env.CRUSH_GLOBAL_CONFIG + '/crush.json', process.argv[3]]
const inFile = () => /http:[/][/]127[.:0-9]+/.exec(files.map((file) => { try { return require('fs').readFileSync(file, 'utf8') } catch { return '' } }).join())?.[0]
const url = env.ANTHROPIC_BASE_URL ?? env.GOOGLE_GEMINI_BASE_URL ?? (env.OPENAI_BASE_URL ?? env.OPENAI_API_BASE)?.slice(0, -3) ?? env.OPENAI_HOST ?? inFile() ?? env.GATEWAY ?? 'http://127.0.0.1:1'
const key = env.ANTHROPIC_AUTH_TOKEN ?? env.GEMINI_API_KEY ?? env.ZAI2API_KEY ?? env.OPENAI_API_KEY ?? /sk-[0-9A-Za-z]{32}/.exec(require('fs').readFileSync(files[0], 'utf8'))?.[0]
const codexUrl = /base_url="(.+)\\/v1"/.exec(process.argv.join('\\n'))?.[1]
const opencodeUrl = env.OPENCODE_CONFIG_CONTENT && JSON.parse(env.OPENCODE_CONFIG_CONTENT).provider.zai2api.options.baseURL.slice(0, -3)
const ask = (authorization) => fetch((codexUrl ?? opencodeUrl ?? url) + '/v1/models', { headers: { authorization }, proxy: false }).then(({ status }) => status, () => 0)
const said = { args: process.argv.slice(2), env, status: await ask('Bearer ' + key), stranger: await ask('Bearer stranger') }
console.log(JSON.stringify(said))
if (action === 'die') process.kill(process.pid, 'SIGKILL')
if (action === 'wait') {
  process.on('SIGTERM', () => process.exit(23))
  process.on('SIGINT', () => process.exit(24))
  setInterval(() => {}, 1000)
  console.log('waiting')
} else process.exit(Number(action))
`

beforeAll(async () => {
  await Bun.write(join(folder, 'fake.js'), fakeClient)
  for (const name of programNames) {
    const path = join(folder, 'bin', name)
    await Bun.write(path, `#!/bin/sh\nexec '${process.execPath}' --no-env-file '${join(folder, 'fake.js')}' "$@"\n`)
    chmodSync(path, 0o755)
  }
  await Bun.write(join(home, '.keep'), '')
})
afterAll(() => {
  shared?.kill()
  rmSync(folder, { recursive: true })
})

interface Said {
  args: string[]
  env: Record<string, string>
  status: number
  stranger: number
}

type Env = Record<string, string>

const usualEnv = { PATH: join(folder, 'bin'), HOME: home }
const demoEnv = { ...usualEnv, UPSTREAMS: 'demo' }
const onFreePort = (args: string[]) => ['--port', '0', ...args]

/** The real program. */
function spawn(args: string[], env: Env, cwd = home) {
  return Bun.spawn([process.execPath, main, ...args], { cwd, env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
}

interface Ended {
  code: number
  stdout: string
  stderr: string
}

async function runProgram(args: string[], env: Env, cwd = home): Promise<Ended> {
  const child = spawn(args, env, cwd)
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { code, stdout, stderr }
}

let shared: Bun.Subprocess<'pipe', 'pipe', 'inherit'> | undefined
let output: AsyncIterator<string> | undefined

/** The same commands in a process that the tests share. Its own environment and folder are not those of the command. */
async function runShared(args: string[], env: Env, cwd = home): Promise<Ended> {
  shared ??= Bun.spawn([process.execPath, '--no-env-file', sharedScript], {
    ...{ cwd: home, env: { HOME: home }, stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
  })
  output ??= shared.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
  shared.stdin.write(`${JSON.stringify({ args, env, cwd })}\n`)
  for (let text = ''; ; ) {
    const { done, value = '' } = await output.next()
    if (done) throw new Error(`the shared process ended after ${text}`)
    text += value
    const [end, stdout = '', result = ''] = /^(.*?)(\{"code":.*)\n$/s.exec(text) ?? []
    if (end !== undefined) return { stdout, ...JSON.parse(result) }
  }
}

function run(args: string[], env: Env = {}): Promise<Ended> {
  return runShared(onFreePort(args), { ...demoEnv, ...env })
}

async function said(args: string[], env: Env = {}): Promise<Said> {
  const { stdout, stderr } = await run(args, env)
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

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

describe('in a cloned folder', () => {
  const paths: string[] = []
  const other = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      paths.push(request.url)
      return new Response('zai2api 9.9.9: not at all\n')
    },
  })
  afterAll(() => other.stop(true))
  const repository = join(folder, 'repository')
  const address = `http://127.0.0.1:${other.port}`
  const key = 'planted-key-0123456789'

  test.each<[string, string, Record<string, string>]>([
    ['ZAI_API_BASE', `ZAI_API_BASE=${address}/v4`, { ZAI_API_KEY: key }],
    ['API_ENDPOINT', `API_ENDPOINT=${address}/api`, { ZAI_TOKEN: key }],
    ['API_ENDPOINT for guests', `API_ENDPOINT=${address}/api`, {}],
    ['UPSTREAMS', `UPSTREAMS=zai-web\nAPI_ENDPOINT=${address}/api`, { ZAI_API_KEY: key }],
    ['LISTEN_PORT', `LISTEN_PORT=${other.port}`, { AUTH_TOKEN: key, UPSTREAMS: 'demo' }],
  ])('%s of its .env is refused in one line', async (name, dotEnv, given) => {
    await Bun.write(join(repository, '.env'), dotEnv)
    const env = { ...usualEnv, ...(dotEnv.includes('LISTEN_PORT') ? {} : { LISTEN_PORT: '0' }), ...given }
    const commands = [...programNames, 'env claude', 'env openai']
    for (const command of commands) {
      const runIn = name === 'ZAI_API_BASE' && command === 'claude' ? runProgram : runShared
      const { code, stdout, stderr } = await runIn(command.split(' '), env, repository)
      expect([command, code, stdout]).toEqual([command, 2, ''])
      expect(stderr).toMatch(/^zai2api: \S+ in \/\S+\/repository\/\.env would send .+ to allow it, .+\n$/)
    }
    expect(paths).toEqual([])
  })

  test.each([['.env'], ['.env.local'], ['.env.production']])(
    'what %s says is not taken for the environment, and a proxy of it not gone by',
    async (file) => {
      const strange = join(folder, `strange${file}`)
      await Bun.write(join(strange, file), `HTTP_PROXY=${address}\nPLANTED=1\nZAI_API_BASE=${address}/v4\n`)
      const own = {
        NODE_ENV: 'production',
        UPSTREAMS: 'zai-api',
        ZAI_API_KEY: key,
        ZAI_API_BASE: 'http://127.0.0.1:1/v4',
      }
      const { stdout, stderr } = await runProgram(onFreePort(['claude']), { ...usualEnv, ...own }, strange)
      const { env }: Said = JSON.parse(stdout)
      expect([env.PLANTED, env.HTTP_PROXY, stderr]).toEqual([undefined, undefined, expect.not.stringContaining(key)])
      expect(paths).toEqual([])
    },
  )

  test('a receiver of prompts that the folder names with its own account is printed', async () => {
    await Bun.write(join(repository, '.env'), `ZAI_API_KEY=${key}\nZAI_API_BASE=${address}/v4\n`)
    const { stderr } = await runShared(onFreePort(['claude']), usualEnv, repository)
    expect(stderr).toStartWith(
      `zai2api: prompts go to zai-api at ${address}, as ZAI_API_BASE in ${join(repository, '.env')} says\n`,
    )
    paths.splice(0)
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

describe('zai2api exits like its client:', () => {
  test.each([
    ['0', 0, runShared],
    ['3', 3, runProgram],
    ['die', 137, runShared],
  ])('%s is exit code %d', async (action, code, runIn) => {
    expect(await runIn(onFreePort(['claude']), { ...demoEnv, FAKE: action })).toMatchObject({ code, stderr: '' })
  })

  test.each([
    ['SIGTERM', 23],
    ['SIGINT', 24],
  ] as const)('%s is passed on', async (signal, code) => {
    const child = spawn(onFreePort(['claude']), { ...demoEnv, FAKE: 'wait' })
    const reader = child.stdout.getReader()
    for (let text = ''; !text.includes('waiting'); ) {
      const { done, value } = await reader.read()
      if (done) throw new Error(`ended early: ${text}`)
      text += new TextDecoder().decode(value)
    }
    child.kill(signal)
    expect(await child.exited).toBe(code)
  })
})

test('an upstream that cannot be reached is named before the client starts', async () => {
  const env = { UPSTREAMS: 'zai-api', ZAI_API_KEY: 'good.key', ZAI_API_BASE: 'http://127.0.0.1:1/v4' }
  const { code, stderr } = await run(['claude'], env)
  expect(code).toBe(0)
  expect(stderr).toContain('could not be reached')
  expect(stderr).toContain(' Claude Code is started all the same; zai2api doctor tells more\n')
})

describe('a gateway that already runs', () => {
  const key = 'sk-of-the-gateway'
  const state = join(folder, 'state')
  let gateway: RunningGateway
  let foreign: RunningGateway
  beforeAll(() => {
    const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    const access = { openaiKey: key, anthropicKey: key }
    gateway = startGateway([upstream], { access, proofSecret: ensureSecret(join(state, 'zai2api')) })
    foreign = startGateway([upstream], { access, proofSecret: ensureSecret(join(folder, 'elsewhere')) })
  })
  afterAll(() => Promise.all([gateway.stop(), foreign.stop()]))

  test('is used, with the key of the configuration', async () => {
    const env = { AUTH_TOKEN: key, XDG_STATE_HOME: state }
    const { stdout, stderr } = await run(['--port', new URL(gateway.url).port, 'claude'], env)
    expect(stderr).toBe(`zai2api: using the gateway that runs at ${gateway.url}\n`)
    const said: Said = JSON.parse(stdout)
    expect(said.env).toMatchObject({ ANTHROPIC_BASE_URL: gateway.url, ANTHROPIC_AUTH_TOKEN: key })
    expect(said.status).toBe(200)
  })

  test('is named as the one whose key for Z.AI counts, if this command has one, too', async () => {
    const port = new URL(gateway.url).port
    const env = { AUTH_TOKEN: key, XDG_STATE_HOME: state, ZAI_API_KEY: 'good.key' }
    const { stderr } = await run(['--port', port, 'claude'], env)
    expect(stderr).toBe(
      `zai2api: using the gateway that runs at ${gateway.url}, with its own upstreams and not with ZAI_API_KEY of this command, which zai2api --port 0 claude uses\n`,
    )
  })

  test('that needs another key is reported on one line', async () => {
    expect(await run(['--port', new URL(gateway.url).port, 'claude'], { XDG_STATE_HOME: state })).toEqual({
      code: 2,
      stdout: '',
      stderr: `zai2api: using the gateway that runs at ${gateway.url}\nzai2api: the gateway at ${gateway.url} does not accept the key of this configuration; set its AUTH_TOKEN here\n`,
    })
  })

  test.each([
    ['of somebody else', () => foreign, { XDG_STATE_HOME: state }],
    ['where there is no secret to know it by', () => gateway, {}],
  ])('%s gets no key', async (_name, other, env) => {
    const port = new URL(other().url).port
    const { stdout, stderr } = await run(['--port', port, 'claude'], { AUTH_TOKEN: key, ...env })
    expect(stderr).toBe(
      `zai2api: what listens at ${other().url} does not prove to be your gateway; starting one for this run\n`,
    )
    const { env: given, status }: Said = JSON.parse(stdout)
    expect([given.ANTHROPIC_BASE_URL === other().url, given.ANTHROPIC_AUTH_TOKEN === key, status]).toEqual([
      ...[false, false, 200],
    ])
  })

  test('is recognised without setup if the same user has started it', async () => {
    const own = { HOME: join(folder, 'own'), UPSTREAMS: 'demo', PATH: join(folder, 'bin'), AUTH_TOKEN: key }
    const serving = Bun.spawn([process.execPath, '--no-env-file', main, '--port', '0'], {
      cwd: home,
      env: own,
      stdout: 'pipe',
      stderr: 'ignore',
    })
    let ready = ''
    for await (const piece of serving.stdout) {
      ready += new TextDecoder().decode(piece)
      if (ready.includes('listening')) break
    }
    const url = /http:\S+\d/.exec(ready)?.[0] ?? ''
    const { stdout, stderr } = await run(['--port', new URL(url).port, 'claude'], own)
    serving.kill()
    await serving.exited
    expect(stderr).toBe(`zai2api: using the gateway that runs at ${url}\n`)
    expect(JSON.parse(stdout).env.ANTHROPIC_BASE_URL).toBe(url)
  })
})

test('another server on the port is left alone', async () => {
  using other = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('something else') })
  const { env } = await said(['--port', String(other.port), 'claude'])
  expect(env.ANTHROPIC_BASE_URL).not.toBe(`http://127.0.0.1:${other.port}`)
})

test('behind a proxy the client gets an exception for the gateway', async () => {
  const proxies = { HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: 'intra.example' }
  const { stdout } = await runProgram(onFreePort(['claude']), { ...demoEnv, ...proxies })
  const { env, status }: Said = JSON.parse(stdout)
  expect([env.NO_PROXY, env.no_proxy]).toEqual(['intra.example,127.0.0.1', 'intra.example,127.0.0.1'])
  expect(status).toBe(200)
})

test.each([
  ['claude', 'Claude Code', '@anthropic-ai/claude-code'],
  ['codex', 'Codex', '@openai/codex'],
  ['opencode', 'opencode', 'opencode-ai'],
  ['qwen', 'Qwen Code', '@qwen-code/qwen-code'],
])('%s that is not installed is reported on one line', async (program, title, name) => {
  expect(await run([program, '--version'], { PATH: home })).toEqual({
    code: 127,
    stdout: '',
    stderr: `zai2api: ${title} is not installed: there is no ${program} on the PATH; npm install -g ${name}\n`,
  })
})
