import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { systemClock } from '../../../src/async/system-clock.ts'
import { setup } from '../../../src/cli/commands/setup.ts'
import { readConfigFile } from '../../../src/cli/config-files.ts'
import { type SetupOptions, setupOptions } from '../../../src/cli/setup-options.ts'
import type { Fetch } from '../../../src/http-client/send.ts'
import { until } from '../../support/gateway.ts'

let home = ''
let file = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'zai2api-setup-'))
  file = join(home, '.config/zai2api/zai2api.toml')
})
afterEach(() => rmSync(home, { recursive: true }))

interface World {
  options?: Partial<SetupOptions>
  env?: Record<string, string>
  /** What the person types, answer by answer. */
  typed?: string[]
  fetch?: Fetch
  /** Programs that are installed. */
  programs?: string[]
  before?: string
}

async function run({ options, env = {}, typed, fetch = takes('good.key', 'coding/'), programs = [], before }: World) {
  for (const program of programs) {
    writeFileSync(join(home, program), '#!/bin/sh\n')
    chmodSync(join(home, program), 0o755)
  }
  if (before !== undefined) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, before)
  }
  const said = { stdout: '', stderr: '', asked: [] as { question: string; hidden: boolean }[] }
  const answers = [...(typed ?? [])]
  const io = {
    ...{ env: { HOME: home, PATH: home, ...env }, cwd: home, readFile: readConfigFile, version: '1.0' },
    stdout(text: string) {
      said.stdout += text
    },
    stderr(text: string | (() => string)) {
      said.stderr += typeof text === 'string' ? text : text()
    },
    ...(typed && {
      ask: async (question: string, { hidden = false } = {}) => {
        said.asked.push({ question, hidden })
        return answers.shift() ?? ''
      },
    }),
  }
  const code = await setup(io, { untested: false, ...options }, { fetch, clock: systemClock })
  return { code, ...said }
}

/** The official API, where this key is accepted under addresses that contain `part` alone. */
function takes(key: string, part: string): Fetch {
  return async (url, { headers, method, body }) => {
    const accepted = new Headers(headers).get('authorization')?.includes(key) && url.includes(part)
    if (!accepted) return Response.json({ error: { code: '1113', message: 'no balance' } }, { status: 429 })
    if (method !== 'POST') return Response.json({ object: 'list', data: [{ id: 'glm-4.6', object: 'model' }] })
    const choice = { index: 0, finish_reason: 'stop' }
    if (!String(body).includes('"stream":true'))
      return Response.json({ choices: [{ ...choice, message: { content: 'OK' } }] })
    return new Response(
      `data: ${JSON.stringify({ choices: [{ ...choice, delta: { content: 'OK' } }] })}\n\ndata: [DONE]\n\n`,
      {
        headers: { 'content-type': 'text/event-stream' },
      },
    )
  }
}

describe('setup', () => {
  test.skipIf(process.getuid?.() !== 0)('writes nothing as root into the home of somebody else', async () => {
    chownSync(home, 12_345, 12_345)
    await expect(run({ env: { ZAI_API_KEY: 'good.key' } })).rejects.toThrow(
      `${home} belongs to another user; do this as that user, without sudo, or set HOME to your own folder`,
    )
    expect(existsSync(join(home, '.config'))).toBe(false)
  })

  test('asks for the key, hidden, and the client, finds the service, tries the gateway, and says the next step', async () => {
    const { code, stdout, stderr, asked } = await run({ typed: ['good.key', ''], programs: ['codex'] })
    expect([code, stderr]).toEqual([0, ''])
    expect(asked.map(({ hidden }) => hidden)).toEqual([true, false])
    expect(asked[1]?.question).toEndWith('[codex]: ')
    expect(readFileSync(file, 'utf8')).toBe('zai_api_key = "good.key"\nzai_api_base = "coding"\n')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(stdout).toStartWith(`The key is accepted at coding.\nWritten to ${file}, which only you can read.\n`)
    for (const path of ['/v1/chat/completions', '/v1/messages', '/v1/responses'])
      expect(stdout).toMatch(new RegExp(`^POST ${path}: \\S+ answers$`, 'm'))
    expect(stdout).toEndWith('\n\nNext: zai2api codex\n')
    expect(stdout).not.toContain('good.key')
  })

  test('writes nothing for a key that no service takes', async () => {
    const { code, stdout, stderr } = await run({ env: { ZAI_API_KEY: 'bad.key' } })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(
      /^zai2api: \S.+\nTried: general, coding, bigmodel, bigmodel-coding\. --service names one of them, or the URL of a server of your own\.\nNothing was written; --untested writes all the same.\n$/,
    )
    expect(stderr).not.toContain('ZAI_API_BASE')
    expect(existsSync(file)).toBe(false)
  })

  test('says in plain sentences, once each, that there is no network', async () => {
    const fetch: Fetch = async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
    const { code, stderr } = await run({ env: { ZAI_API_KEY: 'good.key' }, fetch })
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^zai2api: api\.z\.ai could not be reached \(ENOTFOUND\)\. Check the network[^\n]+[^.]\.\nTried: .+\nNothing was written/,
    )
  })

  test.each<[string, World]>([
    ['--service', { options: { service: 'https://glm.example/v4' } }],
    ['ZAI_API_BASE', { env: { ZAI_API_BASE: 'https://glm.example/v4' } }],
  ])('%s names a server of the user, and the key is sent nowhere else', async (name, { options = {}, env = {} }) => {
    const hosts = new Set<string>()
    const counted = (api: Fetch): Fetch => {
      return (url, init) => {
        hosts.add(new URL(url).host)
        return api(url, init)
      }
    }
    const world = { options, env: { ...env, ZAI_API_KEY: 'good.key' } }
    const refused = await run({ ...world, fetch: counted(async () => Promise.reject(new Error('no'))) })
    expect([refused.code, existsSync(file)]).toEqual([1, false])
    expect(refused.stderr).toMatch(
      new RegExp(`^zai2api: .+ See that ${name} names the right service\\.\\nNothing was written`),
    )
    expect(await run({ ...world, fetch: counted(takes('good.key', 'glm.example')) })).toMatchObject({ code: 0 })
    expect(readFileSync(file, 'utf8')).toBe('zai_api_key = "good.key"\nzai_api_base = "https://glm.example/v4"\n')
    expect([...hosts]).toEqual(['glm.example'])
  })

  test('--service wins over ZAI_API_BASE', async () => {
    const env = { ZAI_API_KEY: 'good.key', ZAI_API_BASE: 'general' }
    expect(await run({ env, options: { service: 'coding' } })).toMatchObject({ code: 0 })
    expect(readFileSync(file, 'utf8')).toContain('zai_api_base = "coding"\n')
  })

  test("says where a server with OpenAI's API stands", async () => {
    const url = 'http://127.0.0.1:8000/v1'
    const allowed = 'must be general, coding, bigmodel, bigmodel-coding or an http(s) URL that ends in /v4; a server'
    expect(() => setupOptions(new Map([['service', url]]))).toThrow(`flag --service ${allowed}`)
    const env = { ZAI_API_KEY: 'a.b', ZAI_API_BASE: url }
    await expect(run({ env })).rejects.toThrow(`ZAI_API_BASE ${allowed}`)
    await expect(run({ env })).rejects.toThrow('stands as [[upstreams]] with kind = "openai-compatible"')
  })

  test('needs no terminal: the key comes from a file, the client from a flag', async () => {
    writeFileSync(join(home, 'key'), 'good.key\n')
    const options = { keyFile: join(home, 'key'), client: 'openai', service: 'coding' } as const
    const { code, stdout } = await run({ options })
    expect(code).toBe(0)
    expect(stdout).toContain('\nNext: zai2api\n      zai2api env openai ')
  })

  test('says how to install a client that is not there', async () => {
    const { code, stdout } = await run({ options: { client: 'claude' }, env: { ZAI_API_KEY: 'good.key' } })
    expect(code).toBe(0)
    expect(stdout).toEndWith('\n\nNext: npm install -g @anthropic-ai/claude-code, then zai2api claude\n')
  })

  test('asks nothing of the network where it is told so', async () => {
    const fetch: Fetch = () => Promise.reject(new Error('no network in this test'))
    const options = { untested: true, service: 'general' } as const
    expect(await run({ options, env: { ZAI_API_KEY: 'a.b' }, fetch })).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(file, 'utf8')).toBe('zai_api_key = "a.b"\n')
  })

  test.each<[string, string, string]>([
    ['an empty file', '', 'zai_api_key = "good.key"\nzai_api_base = "coding"\n'],
    [
      'other settings, comments and tables',
      '# mine\nzai_api_key = "old"\nport = 1\n\n[model_map]\nzai_api_key = "x"\n'.replace(
        'port = 1',
        'listen_port = 1',
      ),
      '# mine\nzai_api_key = "good.key"\nlisten_port = 1\nzai_api_base = "coding"\n\n[model_map]\nzai_api_key = "x"\n',
    ],
  ])('keeps %s', async (_name, before, after) => {
    expect((await run({ env: { ZAI_API_KEY: 'good.key' }, before })).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(after)
  })

  test.each<[string, World, string]>([
    ['no key', {}, 'there is no key; set ZAI_API_KEY'],
    [
      'a file that is not there',
      { options: { keyFile: '/nowhere/key' } },
      '/nowhere/key, which --key-file names, does not exist',
    ],
    ['a folder', { options: { keyFile: '/' } }, '/ cannot be read: EISDIR'],
    ['a key of two words', { env: { ZAI_API_KEY: 'a b' } }, 'one word'],
    ['no home', { env: { HOME: '' } }, 'HOME is not set'],
    ['an unknown client', { typed: ['good.key', 'cluade'] }, 'did you mean claude?'],
    [
      'a value of several lines, which it cannot change',
      { env: { ZAI_API_KEY: 'good.key' }, before: 'zai_api_key = [\n"a"\n]\n' },
      'edit it by hand',
    ],
  ])('refuses %s', async (_name, world, message) => {
    await expect(run(world)).rejects.toThrow(message)
    expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(world.before)
  })
})

test.skipIf(process.platform === 'win32')(
  'at a real terminal the key is not shown',
  async () => {
    const shown: string[] = []
    const main = join(import.meta.dir, '../../../src/main.ts')
    const child = Bun.spawn([process.execPath, main, 'setup', '--untested', '--service', 'coding'], {
      ...{ cwd: home, env: { HOME: home, PATH: '', TERM: 'xterm' } },
      terminal: { cols: 120, rows: 40, data: (_terminal, bytes) => void shown.push(new TextDecoder().decode(bytes)) },
    })
    await until(() => shown.join('').includes('(not shown): '), 'the first question', 20_000)
    child.terminal?.write('typed.key\r')
    await until(() => shown.join('').includes('[none]: '), 'the second question', 20_000)
    child.terminal?.write('opencode\r')
    expect(await child.exited).toBe(0)
    expect(shown.join('')).not.toContain('typed')
    expect(shown.join('')).toContain('opencode')
    expect(readFileSync(file, 'utf8')).toBe('zai_api_key = "typed.key"\nzai_api_base = "coding"\n')
  },
  60_000,
)
