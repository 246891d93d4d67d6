import { afterEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../support/gateway.ts'
import { chatRoute, scriptedApi } from '../support/zai-api.ts'
import { cleanUp, cleanups, heldAnswer, post } from './reloading.ts'

afterEach(cleanUp)

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'zai2api-reload-'))
  cleanups.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

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
