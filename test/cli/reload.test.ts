import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assemble } from '../../src/cli/gateway.ts'
import { reloader, watchFiles } from '../../src/cli/reload.ts'
import { UsageError } from '../../src/config/usage-error.ts'
import { type Config, type LoadedConfig, loadConfig } from '../../src/config.ts'
import type { Log } from '../../src/observe/log.ts'
import { systemClock } from '../../src/wire/clock.ts'
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
  return loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined })
}

function configOf(env: Record<string, string>): Config {
  return loadedFrom(env).config
}

describe('a reload', () => {
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

  test('keeps the old configuration where the new one cannot be used, and says why', async () => {
    const { lines, applied, reload } = setUp({}, () => {
      throw new UsageError('QUEUE_MS in .env is "x" but must be a whole number')
    })
    reload(true)
    expect(applied).toEqual([])
    expect(lines).toEqual([expect.stringContaining('must be a whole number')])
  })

  test('without a change is silent for a file, and done all the same for a signal', async () => {
    const { lines, applied, reload } = setUp({}, () => loadedFrom({}))
    reload(true)
    expect([applied.length, lines.length]).toEqual([0, 0])
    reload(false)
    expect(applied).toHaveLength(1)
    expect(lines).toEqual(['configuration reloaded {"changed":"nothing"}'])
  })
})

describe('a file is seen to change', () => {
  test.each<[string, (file: string) => void]>([
    ['when it is written', (file) => writeFileSync(file, 'b=2\n')],
    [
      'when another takes its place',
      (file) => {
        writeFileSync(`${file}.new`, 'b=2\n')
        renameSync(`${file}.new`, file)
      },
    ],
    ['when it is deleted', (file) => rmSync(file)],
  ])('%s', async (_name, change) => {
    const file = join(folder(), '.env')
    writeFileSync(file, 'a=1\n')
    let changes = 0
    cleanups.push(watchFiles({ files: [file], clock: systemClock, log: logTo([]), changed: () => changes++ }))
    change(file)
    await until(() => changes > 0, 'the change to be noticed')
  })

  test('a folder that cannot be watched is told, and no harm', () => {
    const lines: string[] = []
    const files = [join(folder(), 'none', '.env')]
    watchFiles({ files, clock: systemClock, log: logTo(lines), changed: () => {} })()
    expect(lines).toEqual([expect.stringContaining('SIGHUP')])
  })
})

const frame = (facts: Parameters<typeof chunkText>[0]) => new TextEncoder().encode(`data: ${chunkText(facts)}\n\n`)

const hello = { model: 'glm-4.7', messages: [{ role: 'user', content: 'Hello' }] }
const post = (body: object) => ({ method: 'POST', body: JSON.stringify({ ...hello, ...body }) })

/** An answer that goes on when it is told to. */
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
  const { app, apply, close } = await assemble(configOf(env), 'test', () => {}, api.fetch)
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
