import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientSetups } from '../../src/cli/clients/index.ts'
import type { Commands } from '../../src/cli/index.ts'
import { systemIo } from '../../src/cli/io.ts'
import { run } from './command-line.ts'

const clients = Object.keys(clientSetups).join(', ')

describe('a command line starts', () => {
  test.each<[string, keyof Commands, number]>([
    ['', 'serve', 8080],
    ['serve', 'serve', 8080],
    ['--port 9', 'serve', 9],
    ['--port=9', 'serve', 9],
    ['serve --port 9', 'serve', 9],
    ['--port 9 serve', 'serve', 9],
    ['--port 7 --port 9', 'serve', 9],
    ['demo --port 9', 'demo', 9],
    ['--port 9 -- demo', 'demo', 9],
  ])('`zai2api %s`: %s', async (line, name, port) => {
    const { code, started, stderr } = await run(line)
    expect(started.map((start) => [start.name, start.config?.listenPort])).toEqual([[name, port]])
    expect([code, stderr]).toEqual([0, ''])
  })

  test('and ends with the exit code of the command', async () => {
    expect(await run('models --json')).toMatchObject({ code: 7, started: [{ name: 'models', json: true }] })
    expect(await run('models')).toMatchObject({ code: 7, started: [{ name: 'models', json: false }] })
  })
})

describe('a client is run', () => {
  test.each<[string, string[], number]>([
    ['claude', ['claude'], 8080],
    ['claude -p hi', ['claude', '-p', 'hi'], 8080],
    ['claude --help --port 9 --version', ['claude', '--help', '--port', '9', '--version'], 8080],
    ['--port 9 claude --no-such-flag serve', ['claude', '--no-such-flag', 'serve'], 9],
    ['--port=9 --tool-support codex exec -- -x', ['codex', 'exec', '--', '-x'], 9],
    ['--tool-support off codex', ['codex'], 8080],
    ['--port 9 -- opencode -- run', ['opencode', '--', 'run'], 9],
  ])('`zai2api %s` passes on %j', async (line, given, port) => {
    const { code, started, stderr } = await run(line)
    expect(started.map((start) => [start.given, start.config?.listenPort])).toEqual([[given, port]])
    expect([code, stderr]).toEqual([41, ''])
  })

  test('and only flags in front of its name belong to zai2api', async () => {
    expect(await run('--help claude')).toMatchObject({ code: 0, started: [] })
    expect(await run('--version claude')).toMatchObject({ code: 0, stdout: 'zai2api 1.2.3\n', started: [] })
    expect(await run('--json claude')).toMatchObject({ code: 2, started: [] })
  })
})

describe('the other commands get their flags', () => {
  test.each<[string, object]>([
    ['env claude', { name: 'env', given: { client: 'claude', shell: undefined } }],
    ['env --shell fish openai', { name: 'env', given: { client: 'openai', shell: 'fish' } }],
    ['setup', { name: 'setup', given: { untested: false } }],
    [
      'setup --client codex --service coding --key-file - --untested',
      { name: 'setup', given: { client: 'codex', service: 'coding', keyFile: '-', untested: true } },
    ],
    ['doctor', { name: 'doctor', given: { json: false, offline: false } }],
    ['doctor --json --offline', { name: 'doctor', given: { json: true, offline: true } }],
    ['quota --json', { name: 'quota', json: true }],
    ['key list --json', { name: 'key', given: { action: 'list', key: undefined, members: {}, json: true } }],
    ['key show ci', { name: 'key', given: { action: 'show', key: 'ci', members: {}, json: false } }],
    [
      'key create --name ci --models glm-4.*,glm-5.3 --budget usd:20/month --budget=tokens:2m/day --rpm 60',
      {
        name: 'key',
        given: {
          ...{ action: 'create', key: undefined, json: false },
          members: { name: 'ci', models: 'glm-4.*,glm-5.3', budget: 'usd:20/month,tokens:2m/day', rpm: '60' },
        },
      },
    ],
    ['key --tpm none limit ci', { name: 'key', given: { action: 'limit', key: 'ci', members: { tpm: 'none' } } }],
  ])('`zai2api %s`', async (line, expected) => {
    expect(await run(line)).toMatchObject({ code: 0, stderr: '', started: [expected] })
  })
})

describe('a switch', () => {
  test.each([
    ['--tool-support', true],
    ['--tool-support true', true],
    ['--tool-support off', false],
    ['--tool-support=no', false],
    ['--no-tool-support', false],
    ['--no-tool-support --tool-support', true],
    ['--no-tool-support serve', false],
    ['--tool-support serve', true],
    ['--tool-support false serve', false],
  ])('%s is %p', async (line, expected) => {
    const { started, stderr } = await run(line, { TOOL_SUPPORT: String(!expected) })
    expect(stderr).toBe('')
    expect(started.map(({ config }) => config?.toolSupport)).toEqual([expected])
  })
})

describe('an invalid command line is reported on one line, with exit code 2:', () => {
  test.each<[string, string]>([
    ['srve', 'unknown command srve on the command line; did you mean serve? zai2api help lists what is allowed'],
    ['xyzzy', 'unknown command xyzzy on the command line; zai2api help lists what is allowed'],
    ['toString', 'unknown command toString on the command line; zai2api help lists what is allowed'],
    [
      'anthropic',
      'unknown command anthropic on the command line; did you mean env anthropic? zai2api help lists what is allowed',
    ],
    ['help portt', 'nothing is called portt; did you mean port? zai2api help and zai2api help settings list all'],
    ['help xyzzy', 'nothing is called xyzzy; zai2api help and zai2api help settings list all'],
    ['help serve demo', 'unexpected argument demo on the command line; one topic at a time'],
    ['serve now', 'unexpected argument now on the command line; zai2api serve takes flags only'],
    ['env claud', `unknown client claud on the command line; did you mean claude? allowed: ${clients}`],
    ['env claude codex', 'unexpected argument codex on the command line; one client at a time'],
    ['env claude --shell csh', 'unknown shell csh on the command line; allowed: bash, fish, powershell'],
    ['env claude --shell', 'flag --shell on the command line needs a value: bash, fish, powershell'],
    [
      'key',
      'zai2api key needs to be told what to do: create, list, show, limit, disable, enable, rotate, reset, delete',
    ],
    [
      'key crate',
      'unknown action crate of zai2api key; did you mean create? allowed: create, list, show, limit, disable, enable, rotate, reset, delete',
    ],
    ['key create ci', 'unexpected argument ci on the command line; zai2api key create takes flags only'],
    ['key show a b', 'unexpected argument b on the command line; zai2api key show takes one key'],
    ['key rotate', 'zai2api key rotate needs a key: its name, its id or the beginning of its secret'],
    ['key show a --rpm 5', 'flag --rpm does not belong to zai2api key show; see zai2api key --help'],
    ['key limit a', 'zai2api key limit needs flags that say what changes, such as --rpm 60'],
    ['key create --name', 'flag --name on the command line needs a value: NAME'],
    ['models --rpm 5', 'flag --rpm does not belong to zai2api models; see zai2api models --help'],
    ['models --offline', 'flag --offline does not belong to zai2api models; see zai2api models --help'],
    ['serve --shell fish', 'flag --shell does not belong to zai2api serve; see zai2api serve --help'],
    [
      '--prot 9',
      'unknown flag --prot on the command line; did you mean --port? zai2api help settings lists what is allowed',
    ],
    ['--xyzzy', 'unknown flag --xyzzy on the command line; zai2api help settings lists what is allowed'],
    ['-x', 'unknown flag -x on the command line; zai2api help settings lists what is allowed'],
    ['--port', 'flag --port on the command line needs a value: a whole number from 0 to 65535'],
    ['--host --port 9', 'flag --host on the command line needs a value: a host name or an IP address'],
    ['--config', 'flag --config on the command line needs a value: the path of a TOML file'],
    ['--no-zai-sign=1', 'flag --no-zai-sign on the command line takes no value'],
    ['models --json=1', 'flag --json on the command line takes no value'],
    ['--json', 'flag --json does not belong to zai2api serve; see zai2api serve --help'],
    ['version --port 9', 'flag --port does not belong to zai2api version; see zai2api version --help'],
    ['--port x', 'flag --port is "x" but must be a whole number from 0 to 65535'],
    ['--zai-sign=maybe', 'flag --zai-sign is "maybe" but must be true or false'],
    [
      '--config no.toml',
      'configuration file /srv/no.toml does not exist; --config and ZAI2API_CONFIG name a TOML file',
    ],
  ])('%s', async (line, message) => {
    expect(await run(line)).toEqual({ code: 2, stdout: '', stderr: `zai2api: ${message}\n`, started: [] })
  })

  test.each(['a\nb', '--a\u001b[2J', '\u2028', '\r', 'a\u202eb', '\u{e0001}'])('%j', async (word) => {
    const { code, stderr } = await run([word])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^zai2api: [\x20-\x7e]+\n$/)
  })

  test('but env without a client, which lists them one a line', async () => {
    const { code, stdout, stderr } = await run('env')
    expect([code, stdout]).toEqual([2, ''])
    const [first, ...lines] = stderr.trimEnd().split('\n')
    expect(first).toBe('zai2api: zai2api env needs the name of a client:')
    expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual(
      Object.entries(clientSetups).map(([name, { label }]) => [name, label]),
    )
    expect(lines[0]).toBe('  claude          Claude Code')
  })

  test('a secret among the flags is refused and not repeated', async () => {
    const { code, stderr } = await run('--auth-token=sk-secret')
    expect(code).toBe(2)
    expect(stderr).toBe(
      'zai2api: unknown flag --auth-token on the command line, which other users can read; set AUTH_TOKEN in the environment or in .env\n',
    )
  })
})

describe('the real process', () => {
  test.skipIf(process.platform === 'win32')(
    'writes all of a long output before it ends',
    () => {
      const main = join(import.meta.dir, '../../src/main.ts')
      const MODEL_MAP = Array.from({ length: 5_000 }, (_, at) => `model-${at}=glm-4.6`).join()
      // The end of the process loses what is left in a pipe in every other run or so.
      const command = `for run in 1 2 3 4 5; do "${process.execPath}" "${main}" config --json | wc -c; done`
      const env = { PATH: process.env.PATH, MODEL_MAP }
      const lengths = String(Bun.spawnSync(['sh', '-c', command], { env, cwd: tmpdir() }).stdout)
        .trim()
        .split(/\s+/)
      expect(lengths).toHaveLength(5)
      expect(Number(lengths[0])).toBeGreaterThan(100_000)
      expect(new Set(lengths).size).toBe(1)
    },
    60_000,
  )

  test('reads files without their byte order mark, treats a missing one as empty, and reports an unreadable one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-'))
    await Bun.write(join(folder, 'marked'), '\uFEFFHOST=::1')
    const { readFile } = systemIo('1.2.3')
    expect(readFile(join(folder, 'marked'))).toBe('HOST=::1')
    expect(readFile(join(folder, 'nowhere'))).toBeUndefined()
    expect(() => readFile(folder)).toThrow('EISDIR')
    rmSync(folder, { recursive: true })
  })
})
