import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reloader } from '../../src/cli/reload.ts'
import { compose } from '../../src/compose.ts'
import { type Config, type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { UsageError } from '../../src/config/usage-error.ts'
import type { Log } from '../../src/observe/log.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { eventStream } from '../support/chat-zai.ts'
import { until } from '../support/gateway.ts'
import { chatRoute, chunkText, scriptedApi } from '../support/zai-api.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'zai2api-reload-'))
  cleanups.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function logTo(lines: string[]): Log {
  const write = (message: string, facts: object = {}) => void lines.push(`${message} ${JSON.stringify(facts)}`)
  return { debug: write, info: write, warn: write, error: write }
}

function loadedFrom(env: Record<string, string>): LoadedConfig {
  return loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
}

function configOf(env: Record<string, string>): Config {
  return loadedFrom(env).config
}

function setUp(first: Record<string, string>, next: () => LoadedConfig) {
  const lines: string[] = []
  const applied: Config[] = []
  const reload = reloader({
    loaded: loadedFrom(first),
    load: next,
    apply: (config) => void applied.push(config),
    log: logTo(lines),
  })
  return { lines, applied, reload }
}

describe('a reload', () => {
  test('names what has changed, and no value', async () => {
    const { lines, applied, reload } = setUp({ ZAI_API_KEY: 'old' }, () => loadedFrom({ ZAI_API_KEY: 'new-secret' }))
    reload(true)
    expect(applied.map(({ zaiApiKeys }) => zaiApiKeys)).toEqual([['new-secret']])
    expect(lines).toEqual(['configuration reloaded {"changed":"ZAI_API_KEY"}'])
  })

  test('says what needs a restart', async () => {
    const { lines, applied, reload } = setUp({}, () => loadedFrom({ LISTEN_PORT: '9', LOG_LEVEL: 'debug' }))
    reload(true)
    expect(applied).toHaveLength(1)
    expect(lines.at(-1)).toBe('takes effect after a restart only {"settings":"LISTEN_PORT"}')
  })

  test('keeps the old configuration if the new one cannot be used, and logs why', async () => {
    const { lines, applied, reload } = setUp({}, () => {
      throw new UsageError('QUEUE_MS in .env is "x" but must be a whole number')
    })
    reload(true)
    expect(applied).toEqual([])
    expect(lines).toEqual([expect.stringContaining('must be a whole number')])
  })

  test('without a change is silent for a file, and logged for a signal', async () => {
    const { lines, applied, reload } = setUp({}, () => loadedFrom({}))
    reload(true)
    expect([applied.length, lines.length]).toEqual([0, 0])
    reload(false)
    expect(applied).toHaveLength(1)
    expect(lines).toEqual(['configuration reloaded {"changed":"nothing"}'])
  })
})

describe('a reload gives up no protection and sends no prompts elsewhere:', () => {
  const both = { ZAI_API_KEY: 'a.b', ZAI_TOKEN: 'own', UPSTREAMS: 'zai-api,zai-web' }
  const onePrivate = { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'https://models.example/v4' }
  test.each<[string, Record<string, string>, Record<string, string>, string]>([
    [
      'the key of a server that others reach',
      { HOST: '0.0.0.0', AUTH_TOKEN: 'sk-one-key' },
      {},
      'AUTH_TOKEN is gone, and a server with a key does not go on without it',
    ],
    [
      'the key of one on loopback',
      { AUTH_TOKEN: 'sk-one' },
      { LOG_LEVEL: 'debug' },
      'AUTH_TOKEN is gone, and a server with a key does not go on without it',
    ],
    [
      'most of the key',
      { AUTH_TOKEN: 'sk-one-and-two' },
      { AUTH_TOKEN: 'sk-o' },
      'AUTH_TOKEN is the beginning of what it was, as in a file that is cut off',
    ],
    [
      'most of one key of two',
      { ZAI_API_KEY: 'ab.cd,ef.gh' },
      { ZAI_API_KEY: 'ab.cd,ef.' },
      'ZAI_API_KEY is the beginning of what it was, as in a file that is cut off',
    ],
    [
      'the key, for a placeholder',
      { AUTH_TOKEN: 'sk-one' },
      { AUTH_TOKEN: 'changeme' },
      'AUTH_TOKEN is gone, and a server with a key does not go on without it',
    ],
    [
      'the key of the API, whose prompts guests would have',
      { ZAI_API_KEY: 'a.b' },
      {},
      'prompts for zai-api at https://api.z.ai would go to zai-web at https://chat.z.ai',
    ],
    [
      'the demo, for a first key',
      { UPSTREAMS: 'demo' },
      { ZAI_API_KEY: 'a.b' },
      'prompts for demo on this machine would go to zai-api at https://api.z.ai',
    ],
    [
      'the own account, for another',
      { ZAI_TOKEN: 'own' },
      { ZAI_API_KEY: 'a.b' },
      'prompts for zai-web at https://chat.z.ai would go to zai-api at https://api.z.ai',
    ],
    [
      'one upstream of two',
      both,
      { ...both, UPSTREAMS: 'zai-web' },
      'prompts for zai-api at https://api.z.ai would go to zai-web at https://chat.z.ai',
    ],
    [
      'the demo',
      { UPSTREAMS: 'demo' },
      {},
      'prompts for demo on this machine would go to zai-web at https://chat.z.ai',
    ],
    [
      'an address of one’s own',
      onePrivate,
      { ZAI_API_KEY: 'a.b' },
      'prompts for zai-api at https://models.example would go to zai-api at https://api.z.ai',
    ],
    [
      'a mirror of the site',
      { API_ENDPOINT: 'https://mirror.example/api' },
      {},
      'prompts for zai-web at https://mirror.example would go to zai-web at https://chat.z.ai',
    ],
    [
      'the keys of one upstream of two',
      both,
      { ZAI_TOKEN: 'own', UPSTREAMS: 'zai-api,zai-web' },
      'ZAI_API_KEY is gone, and others would get the prompts that went by it',
    ],
    [
      'the own account, for guests',
      { ZAI_TOKEN: 'own' },
      {},
      'ZAI_TOKEN is gone, and others would get the prompts that went by it',
    ],
    [
      'most of an origin',
      { CORS_ORIGINS: 'https://chat.example.org' },
      { CORS_ORIGINS: 'https://chat.example' },
      'CORS_ORIGINS is the beginning of what it was, as in a file that is cut off',
    ],
    ...[
      ['RATE_LIMIT_RPM', '60', '0'],
      ['RATE_LIMIT_TPM', '60000', '0'],
      ['LOOP_LIMIT', '500', '10000'],
      ['MAX_CONCURRENT', '5', '4000'],
      ['MAX_BODY_BYTES', '1000', '33554432'],
      ['QUEUE_LIMIT', '0', '100'],
      ['ANONYMOUS_MODE', 'false', 'true'],
      ['WEB_SEARCH', 'off', 'auto'],
    ].map(([name = '', before = '', after]): [string, Record<string, string>, Record<string, string>, string] => [
      name,
      { [name]: before },
      {},
      `${name} would go from ${before} to ${after}, and a running server gives up no protection`,
    ]),
    [
      'a limit, by a word',
      { RATE_LIMIT_RPM: '60' },
      { RATE_LIMIT_RPM: '0' },
      'RATE_LIMIT_RPM would go from 60 to 0, and a running server gives up no protection',
    ],
  ])('%s', (_name, first, next, reason) => {
    for (const quietly of [true, false]) {
      const { lines, applied, reload } = setUp(first, () => loadedFrom(next))
      reload(quietly)
      expect(applied).toEqual([])
      expect(lines).toEqual([
        `the new configuration cannot be used; going on with the old one ${JSON.stringify({
          reason: `${reason}; if that is meant, restart zai2api`,
        })}`,
      ])
    }
  })

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['another key', { AUTH_TOKEN: 'sk-one' }, { AUTH_TOKEN: 'sk-two' }],
    ['a first key', {}, { AUTH_TOKEN: 'sk-two' }],
    ['a first key of the API, in place of guests', {}, { ZAI_API_KEY: 'a.b' }],
    ['an account of one’s own, in place of guests', {}, { ZAI_TOKEN: 'own' }],
    ['a longer key', { AUTH_TOKEN: 'sk-one' }, { AUTH_TOKEN: 'sk-one-and-two' }],
    ['one key of the API less', { ZAI_API_KEY: 'ab.cd,ab' }, { ZAI_API_KEY: 'ab' }],
    ['another key of the API', { ZAI_API_KEY: 'a.b,c.d' }, { ZAI_API_KEY: 'e.f' }],
    ['one more upstream', { ZAI_API_KEY: 'a.b' }, { ZAI_API_KEY: 'a.b', UPSTREAMS: 'zai-api,zai-web' }],
    ['another order', both, { ...both, UPSTREAMS: 'zai-web,zai-api' }],
    ['another service of the same host', { ZAI_API_KEY: 'a.b' }, { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'coding' }],
    ['the loss of a token nobody used', { ...both, UPSTREAMS: 'zai-api' }, { ZAI_API_KEY: 'a.b' }],
    // The listen address takes effect at the next start, which will need a key.
    ['a higher limit', { RATE_LIMIT_RPM: '60' }, { RATE_LIMIT_RPM: '90' }],
    ['a lower limit', { RATE_LIMIT_RPM: '60', MAX_CONCURRENT: '9000' }, { RATE_LIMIT_RPM: '6' }],
    ['a first limit', {}, { RATE_LIMIT_RPM: '60', ANONYMOUS_MODE: 'false', WEB_SEARCH: 'off', LOOP_LIMIT: '100' }],
    ['one more origin', { CORS_ORIGINS: 'https://a.example' }, { CORS_ORIGINS: 'https://a.example,https://b.example' }],
    ['an address for the next start', {}, { HOST: '0.0.0.0' }],
  ])('but applies %s', (_name, first, next) => {
    const { lines, applied, reload } = setUp(first, () => loadedFrom(next))
    reload(true)
    expect(applied).toHaveLength(1)
    expect(lines[0]).toStartWith('configuration reloaded')
  })

  test('and says nothing once the file is whole again', () => {
    let next: Record<string, string> = {}
    const { lines, applied, reload } = setUp({ AUTH_TOKEN: 'sk-one' }, () => loadedFrom(next))
    reload(true)
    next = { AUTH_TOKEN: 'sk-one' }
    reload(true)
    expect([lines.length, applied.length]).toEqual([1, 0])
  })
})

const frame = (facts: Parameters<typeof chunkText>[0]) => new TextEncoder().encode(`data: ${chunkText(facts)}\n\n`)

const hello = { model: 'glm-4.7', messages: [{ role: 'user', content: 'Hello' }] }
const post = (body: object) => ({ method: 'POST', body: JSON.stringify({ ...hello, ...body }) })

/** A response that continues when the test says so. */
function heldAnswer(signal: Promise<void>): Response {
  return eventStream(
    new ReadableStream({
      async start(controller) {
        controller.enqueue(frame({ delta: { content: 'First' } }))
        await signal
        controller.enqueue(frame({ delta: { content: ' last.' }, finish_reason: 'stop' }))
        controller.close()
      },
    }),
  )
}

test('a running stream goes on under the old key, and the next request goes under the new one', async () => {
  const api = scriptedApi(['old-key', 'new-key'])
  const env = { ZAI_API_KEY: 'old-key', AUTH_TOKEN: 'one', LOG_LEVEL: 'off', METRICS: 'false' }
  const { app, apply, close } = await compose(configOf(env), 'test', { write() {} }, { fetch: api.fetch })
  cleanups.push(close)
  const go = Promise.withResolvers<void>()
  api.script(chatRoute, () => heldAnswer(go.promise))
  const call = (key: string, body: object = {}) =>
    app.handle(
      new Request('http://localhost/v1/chat/completions', {
        ...post(body),
        headers: { authorization: `Bearer ${key}` },
      }),
    )

  const running = await call('one', { stream: true })
  apply(configOf({ ...env, ZAI_API_KEY: 'new-key', AUTH_TOKEN: 'two', MODEL_MAP: 'mine=glm-4.6' }))
  expect((await call('one')).status).toBe(401)
  expect((await call('two', { model: 'mine' })).status).toBe(200)
  go.resolve()
  expect(await running.text()).toContain(' last.')
  expect(api.to(chatRoute).map(({ key, body }) => [key, Reflect.get(Object(body), 'model')])).toEqual([
    ['old-key', 'glm-4.7'],
    ['new-key', 'glm-4.6'],
  ])
})

test('rows about models hold from the next request on', async () => {
  const env = { UPSTREAMS: 'demo', LOG_LEVEL: 'off' }
  const { app, apply, close } = await compose(configOf(env), 'test', { write() {} })
  cleanups.push(close)
  const window = async (name: string) => {
    const response = await app.handle(new Request(`http://localhost/v1/models/${name}`))
    const body: unknown = await response.json()
    return [response.status, Reflect.get(Object(body), 'context_length')]
  }
  expect(await window('glm-5.3')).toEqual([200, 1_048_576])
  expect(await window('glm-5.5')).toEqual([404, undefined])
  const rows = [
    { id: 'glm-5.3', context_tokens: 5 },
    { id: 'glm-5.5', context_tokens: 6 },
  ]
  apply(configOf({ ...env, ZAI_MODELS: JSON.stringify(rows) }))
  expect(await window('glm-5.3')).toEqual([200, 5])
  expect(await window('glm-5.5')).toEqual([200, 6])
})

test('the real process: a changed file and a signal, while an answer runs', async () => {
  const api = scriptedApi(['old-key', 'new-key', 'third-key'])
  const upstream = api.listen()
  cleanups.push(upstream.stop)
  const cwd = folder()
  const toml = join(cwd, 'zai2api.toml')
  const write = (key: string, more = '') =>
    writeFileSync(toml, `zai_api_key = ["${key}"]\nzai_api_base = "${upstream.baseUrl}"\n${more}`)
  write('old-key')
  writeFileSync(join(cwd, '.env'), 'QUEUE_MSS=5\n')
  const main = join(import.meta.dir, '../../src/main.ts')
  const child = Bun.spawn([process.execPath, '--no-env-file', main, '--port', '0'], {
    cwd,
    env: { PATH: process.env.PATH ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  cleanups.push(async () => {
    child.kill()
    await child.exited
  })
  let [out, log] = ['', '']
  const follow = async (stream: ReadableStream<Uint8Array>, hear: (text: string) => void) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) hear(decoder.decode(chunk, { stream: true }))
  }
  void follow(child.stdout, (text) => {
    out += text
  })
  void follow(child.stderr, (text) => {
    log += text
  })
  await until(() => out.includes('listening on'), 'the ready line', 20_000)
  const url = /http:\S+\d/.exec(out)?.[0] ?? ''
  await until(() => /warn .*QUEUE_MSS .*QUEUE_MS\?/.test(log), 'the slip in .env to be told', 10_000)
  writeFileSync(join(cwd, '.env'), 'QUEUE_MSS=5\nSTOR=off\n')
  await until(() => log.includes('STOR in'), 'the second slip to be told', 10_000)
  expect(log.match(/QUEUE_MSS/g)).toHaveLength(1)

  const go = Promise.withResolvers<void>()
  api.script(chatRoute, () => heldAnswer(go.promise))
  const running = await fetch(`${url}/v1/chat/completions`, post({ stream: true }))

  write('new-key')
  await until(() => /reloaded.*ZAI_API_KEY/.test(log), 'the file to be read anew', 10_000)
  expect((await fetch(`${url}/v1/chat/completions`, post({}))).status).toBe(200)

  write('new-key', 'queue_ms = "long"\n')
  await until(() => /cannot be used.*queue_ms/.test(log), 'the bad file to be refused', 10_000)
  expect((await fetch(`${url}/v1/chat/completions`, post({}))).status).toBe(200)

  write('third-key', 'store = "off"\n')
  if (process.platform !== 'win32') child.kill('SIGHUP')
  await until(() => /restart only.*STORE/.test(log), 'the third file to be read', 10_000)
  expect((await fetch(`${url}/v1/chat/completions`, post({}))).status).toBe(200)

  go.resolve()
  expect(await running.text()).toContain(' last.')
  expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['old-key', 'new-key', 'new-key', 'third-key'])
  expect(log).not.toContain('-key"')
}, 60_000)

test('the real process: a truncated file gives no access, and a pipe beside it is not read', async () => {
  const api = scriptedApi(['the-key'])
  const upstream = api.listen()
  cleanups.push(upstream.stop)
  const cwd = folder()
  const dotEnv = join(cwd, '.env')
  const whole = `AUTH_TOKEN=sk-one\nZAI_API_KEY=the-key\nZAI_API_BASE=${upstream.baseUrl}\n`
  writeFileSync(dotEnv, whole)
  const main = join(import.meta.dir, '../../src/main.ts')
  const child = Bun.spawn([process.execPath, '--no-env-file', main, '--port', '0'], {
    cwd,
    env: { PATH: process.env.PATH ?? '' },
    stdout: Bun.file(join(cwd, 'out')),
    stderr: Bun.file(join(cwd, 'zai2api.log')),
  })
  cleanups.push(async () => {
    child.kill()
    await child.exited
  })
  const read = (name: string) => readFileSync(join(cwd, name), 'utf8')
  const refusals = () =>
    read('zai2api.log')
      .split('\n')
      .filter((line) => line.includes('going on with the old one'))
  await until(() => existsSync(join(cwd, 'out')) && read('out').includes('listening on'), 'the ready line', 20_000)
  const url = /http:\S+\d/.exec(read('out'))?.[0] ?? ''
  const statusOf = async (headers: Record<string, string>) =>
    (await fetch(`${url}/v1/chat/completions`, { ...post({}), headers })).status

  for (const [text, reason] of [
    ['AUTH_TOKEN=sk-one\nZAI_API_KEY=the-key\nZAI_AP', 'line 3 has no NAME=value'],
    ['AUTH_TOKEN=sk-one\nZAI_API_KEY=the-key\n', 'prompts for zai-api at'],
    ['', 'AUTH_TOKEN is gone'],
  ] as const) {
    const before = refusals().length
    writeFileSync(dotEnv, text)
    await until(() => refusals().some((line) => line.includes(reason)), `the refusal: ${reason}`, 10_000)
    expect(refusals()).toHaveLength(before + 1)
    expect(await statusOf({})).toBe(401)
    expect(await statusOf({ authorization: 'Bearer sk-one' })).toBe(200)
  }
  // Reading a pipe without a writer would block the process.
  rmSync(dotEnv)
  Bun.spawnSync(['mkfifo', dotEnv])
  await until(() => (refusals().at(-1) ?? '').includes('is no regular file'), 'the pipe to be refused', 5_000)
  expect(await statusOf({ authorization: 'Bearer sk-one' })).toBe(200)
  rmSync(dotEnv)
  const refused = refusals().length
  writeFileSync(dotEnv, `${whole}LOG_LEVEL=debug\n`)
  await until(() => /reloaded.*LOG_LEVEL/.test(read('zai2api.log')), 'the whole file to be taken', 10_000)
  expect(refusals()).toHaveLength(refused)
  expect(new Set(api.to(chatRoute).map(({ key }) => key))).toEqual(new Set(['the-key']))
}, 60_000)
