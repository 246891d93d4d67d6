import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { demoGreeting, greeting, readyLine, type Started } from '../../../src/cli/greeting.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { until } from '../../support/gateway.ts'

const url = 'http://127.0.0.1:8080'
const guest =
  'Without ZAI_API_KEY or ZAI_TOKEN you are a guest at chat.z.ai, which often asks guests for a captcha. A key for the official API is better: zai2api setup takes it.\n'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-ready-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A server with this environment, on a machine where these programs are installed. */
function started(env: Record<string, string>, programs: string[] = [], at = url, self?: string): Started {
  const bin = mkdtempSync(join(folder, 'bin-'))
  for (const program of programs) {
    writeFileSync(join(bin, program), '#!/bin/sh\n')
    chmodSync(join(bin, program), 0o755)
  }
  const io = {
    ...{ env: { ...env, PATH: bin }, cwd: folder, readFile: () => undefined },
    ...{ stdout() {}, stderr() {}, version: '1.0', ...(self === undefined ? {} : { self }) },
  }
  return { url: at, config: loadConfig(new Map(), io, upstreamKinds).config, io }
}

const open =
  'Without AUTH_TOKEN any key opens it, from this machine: set one before a proxy or a tunnel leads others here.\n'

describe('the first line of a server', () => {
  test.each<[string, Record<string, string>, string, string]>([
    ['says what a guest may meet', {}, 'zai-web', guest],
    ['says so to a guest with a second upstream', { UPSTREAMS: 'zai-web,zai-api' }, 'zai-web, zai-api', guest],
    ['says no more to an account', { ZAI_TOKEN: 'token' }, 'zai-web', ''],
    ['nor to one that steps in', { BACKUP_TOKEN: 'token' }, 'zai-web', ''],
    ['nor with a key', { ZAI_API_KEY: 'a.b' }, 'zai-api', ''],
  ])('%s', (_name, env, upstreams, note) => {
    expect(readyLine(started(env))).toBe(
      `zai2api 1.0 listening on ${url} (upstream ${upstreams}; page at ${url}/, docs at ${url}/docs)\n${open}${note}`,
    )
  })
})

test('a server with a key does not warn of who else may come', () => {
  expect(readyLine(started({ ZAI_API_KEY: 'a.b', AUTH_TOKEN: 'k' }))).not.toContain('AUTH_TOKEN')
})

describe('on a terminal', () => {
  test('a guest reads what is missing and the command that mends it, under the name the program was called by', () => {
    expect(greeting(started({}, [], url, './zai2api'))).toBe(`zai2api 1.0 listening on http://127.0.0.1:8080

  Answers from   zai-web at https://chat.z.ai
  Missing        Without ZAI_API_KEY or ZAI_TOKEN you are a guest at chat.z.ai, which often asks guests for a captcha.
                 A key for the official API is better: ./zai2api setup takes it.
  Open to        this machine, with any key: set AUTH_TOKEN before a proxy or a tunnel leads others here.
  Page           http://127.0.0.1:8080/
  API            http://127.0.0.1:8080/docs
  A client       ./zai2api env openai
  Stop           Ctrl-C
`)
  })

  test('a key has nothing missing, and the agents that are installed are offered at the port in use', () => {
    const server = started({ ZAI_API_KEY: 'a.b', AUTH_TOKEN: 'k' }, ['claude', 'opencode'], 'http://127.0.0.1:9000')
    expect(greeting(server)).toBe(`zai2api 1.0 listening on http://127.0.0.1:9000

  Answers from   zai-api at https://api.z.ai
  Page           http://127.0.0.1:9000/ (with the key)
  API            http://127.0.0.1:9000/docs
  Your client    zai2api --port 9000 claude
                 zai2api --port 9000 opencode
  Stop           Ctrl-C
`)
  })

  test('the demo needs no key, and does not print the one it has', () => {
    expect(demoGreeting(started({}, ['codex']))).toContain(
      'OpenAI SDK      base URL http://127.0.0.1:8080/v1   key anything\n',
    )
    const locked = demoGreeting(started({ AUTH_TOKEN: 'sk-secret' }))
    expect(locked).toContain('-H "authorization: Bearer $AUTH_TOKEN"')
    expect(locked).not.toContain('sk-secret')
  })
})

test.skipIf(process.platform === 'win32')('from source, the commands it names begin with the link of npm', async () => {
  const root = join(import.meta.dir, '../../..')
  const child = Bun.spawn(['node_modules/.bin/bun', 'src/main.ts', 'demo', '--port', '0'], {
    ...{ cwd: root, env: { HOME: folder, PATH: '' }, stderr: 'pipe', stdout: 'pipe' },
  })
  let shown = ''
  const reading = (async () => {
    for await (const bytes of child.stdout) shown += new TextDecoder().decode(bytes)
  })()
  await until(() => /Stop +Ctrl-C/.test(shown), 'the greeting', 20_000)
  child.kill('SIGTERM')
  await reading
  expect(shown).toMatch(/ \.\/node_modules\/\.bin\/bun src\/main\.ts .*env openai\n/)
})

test.skipIf(process.platform === 'win32')(
  'the program knows whether it is on a terminal',
  async () => {
    let shown = ''
    const main = join(import.meta.dir, '../../../src/main.ts')
    const child = Bun.spawn([process.execPath, main, 'serve', '--upstreams', 'demo', '--port', '0'], {
      ...{ cwd: folder, env: { HOME: folder, PATH: '', TERM: 'xterm' } },
      terminal: { cols: 120, rows: 40, data: (_terminal, bytes) => (shown += new TextDecoder().decode(bytes)) },
    })
    await until(() => /Stop +Ctrl-C/.test(shown), 'the greeting', 20_000)
    const address = /http:\/\/[\d.]+:\d+/.exec(shown)?.[0]
    await fetch(`${address}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hi' }] }),
    })
    await until(() => /\[32m200/.test(shown), 'the line of the request', 20_000)
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect(shown).toMatch(/\[32m200.{4} Bun +GLM-4.5 .* \d+→\d+/)
    expect(shown).toContain(`${process.execPath} ../..`)
  },
  30_000,
)
