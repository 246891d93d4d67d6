import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientSetups } from '../src/cli/clients/index.ts'
import { commandTable } from '../src/cli/command-table.ts'
import { type Commands, runCli } from '../src/cli/index.ts'
import { systemIo } from '../src/cli/io.ts'
import type { Config } from '../src/config/load.ts'
import { flagOf, settingList, tomlKeyOf } from '../src/config/table.ts'

const clients = Object.keys(clientSetups).join(', ')

interface Run {
  code: number
  stdout: string
  stderr: string
  /** The commands that were started, with their arguments. */
  started: { name: keyof Commands; config?: Config; json?: boolean; given?: unknown }[]
}

async function run(line: string | string[], env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const result: Run = { code: -1, stdout: '', stderr: '', started: [] }
  const io = {
    env,
    cwd: '/srv',
    readFile: (path: string) => files[path],
    stdout(text: string) {
      result.stdout += text
    },
    stderr(text: string) {
      result.stderr += text
    },
    version: '1.2.3',
  }
  const commands: Commands = {
    setup: async (_io, given) => result.started.push({ name: 'setup', given }) - 1,
    serve: async ({ config }) => result.started.push({ name: 'serve', config }) - 1,
    demo: async ({ config }) => result.started.push({ name: 'demo', config }) - 1,
    models: async (config, _io, { json }) => result.started.push({ name: 'models', config, json }) + 6,
    quota: async (config, _io, { json }) => result.started.push({ name: 'quota', config, json }) - 1,
    key: async (config, _io, given) => result.started.push({ name: 'key', config, given }) - 1,
    launch: async (program, args, { config }) =>
      result.started.push({ name: 'launch', config, given: [program, ...args] }) + 40,
    env: async ({ config }, _io, given) => result.started.push({ name: 'env', config, given }) - 1,
    doctor: async (load, _io, given) => result.started.push({ name: 'doctor', config: load().config, given }) - 1,
  }
  const argv = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line
  result.code = await runCli(argv, io, commands)
  return result
}

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

describe('safety', () => {
  test.each(['serve', 'demo'])('%s listens beyond loopback only with a key', async (command) => {
    const { code, stderr, started } = await run(`${command} --host 0.0.0.0`)
    expect([code, started]).toEqual([2, []])
    expect(stderr).toMatch(
      /^zai2api: will not listen on 0\.0\.0\.0 without a key: .+\n.+\nAUTH_TOKEN=sk-[0-9A-Za-z]{32}\n$/,
    )
  })

  test('every refusal offers another key', async () => {
    const [one, two] = [await run('--host ::'), await run('--host ::')]
    expect(one.stderr).not.toBe(two.stderr)
  })

  test('with a key it listens beyond loopback, and models needs none', async () => {
    expect((await run('--host 0.0.0.0', { AUTH_TOKEN: 'sk-x' })).code).toBe(0)
    expect((await run('models --host 0.0.0.0')).started).toHaveLength(1)
  })

  test.each([
    ['serve', 2],
    ['models', 2],
    ['quota', 2],
    ['claude', 2],
    ['--upstreams demo claude', 41],
    ['env openai', 2],
    ['doctor', 0],
    ['demo', 0],
    ['config', 0],
    ['version', 0],
  ])('behind a SOCKS proxy %s ends with %d', async (command, code) => {
    const result = await run(command, { ALL_PROXY: 'socks5://127.0.0.1:1080' })
    expect(result.code).toBe(code)
    if (code === 2) expect(result.stderr).toMatch(/^zai2api: environment variable ALL_PROXY names a SOCKS proxy.+\n$/)
  })
})

describe('version', () => {
  test.each(['version', '--version', '-v', 'serve --version', '--port 9 -v'])('`zai2api %s`', async (line) => {
    expect(await run(line)).toEqual({ code: 0, stdout: 'zai2api 1.2.3\n', stderr: '', started: [] })
  })
})

describe('help', () => {
  test.each(['--help', '-h', '--port 9 --help', 'help'])('`zai2api %s` fits a screen', async (line) => {
    const { code, stdout, stderr, started } = await run(line)
    expect([code, stderr, started]).toEqual([0, '', []])
    for (const command of Object.keys(commandTable))
      expect(stdout).toMatch(new RegExp(`^  (?:${command} +[A-Z]|(?:\\w+ )*${command}(?: \\w+)*$)`, 'm'))
    expect(stdout).toContain('\n  --port NUMBER                 Port to listen on; 0 takes a free one.\n')
    expect(stdout).toContain('\n  --config PATH ')
    expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(40)
  })

  test('`zai2api help settings` names every flag and variable', async () => {
    const { code, stdout, stderr, started } = await run('help settings')
    expect([code, stderr, started]).toEqual([0, '', []])
    for (const setting of settingList) {
      expect(stdout).toContain(setting.env)
      const flag = flagOf(setting)
      if (flag !== undefined) expect(stdout).toMatch(new RegExp(`^  --(\\[no-\\])?${flag}( |$)`, 'm'))
    }
    expect(stdout).toContain(
      '\n  --port NUMBER                 Port to listen on; 0 takes a free one. [LISTEN_PORT=8080]\n',
    )
  })

  test.each(['LISTEN_PORT', 'listen_port', 'listen-port', 'port', '--port'])('`zai2api help %s`', async (name) => {
    expect(await run(`help ${name}`)).toMatchObject({
      code: 0,
      stdout: `LISTEN_PORT: Port to listen on; 0 takes a free one.

  Allowed                       a whole number from 0 to 65535
  Default                       8080
  Flag                          --port NUMBER
  Variable, also in .env        LISTEN_PORT
  Key in zai2api.toml           listen_port

zai2api config shows what is in force.
`,
    })
  })

  test('every setting can be asked for by each of its names, a switch by its negation, too', async () => {
    // A command of the same name comes first.
    for (const setting of settingList)
      for (const name of [setting.env, tomlKeyOf(setting), flagOf(setting) ?? setting.env].filter(
        (each) => !(each in commandTable),
      ))
        expect((await run(`help ${name}`)).stdout).toStartWith(`${setting.env}: `)
    expect((await run('help --no-tool-support')).stdout).toStartWith('TOOL_SUPPORT: ')
  })

  test('`zai2api help COMMAND` is what the command says with --help', async () => {
    for (const command of Object.keys(commandTable).filter((name) => name !== 'help'))
      expect((await run(`help ${command}`)).stdout).toBe((await run(`--help ${command}`)).stdout)
  })

  test('no line is longer than 100 columns or ends in spaces', async () => {
    for (const line of ['--help', 'help settings', ...Object.keys(commandTable).map((command) => `--help ${command}`)])
      for (const text of (await run(line)).stdout.split('\n')) {
        expect(text.length).toBeLessThanOrEqual(100)
        expect(text).toBe(text.trimEnd())
      }
  })

  test.each([
    ['serve', { json: false, settings: true, markers: false }],
    ['demo', { json: false, settings: true, markers: true }],
    ['models', { json: true, settings: true, markers: false }],
    ['config', { json: true, settings: true, markers: false }],
    ['quota', { json: true, settings: true, markers: false }],
    ['doctor', { json: true, settings: true, markers: false }],
    ['version', { json: false, settings: false, markers: false }],
  ])('`zai2api %s --help` says what this command takes', async (command, expected) => {
    const { code, stdout, started } = await run(`${command} --help`)
    expect([code, started]).toEqual([0, []])
    expect(stdout).toStartWith(`Usage: zai2api ${command} [flags]\n\n`)
    expect({
      json: stdout.includes('--json'),
      settings: stdout.includes('zai2api help settings'),
      markers: stdout.includes('[think]'),
    }).toEqual(expected)
  })
})

describe('help of the commands that take more than flags', () => {
  test.each([
    ['--help claude', 'Usage: zai2api [flags] claude [arguments of claude]\n\n'],
    ['env --help', 'Usage: zai2api env CLIENT [flags]\n\n'],
    ['key --help', 'Usage: zai2api key ACTION [KEY] [flags]\n\n'],
  ])('`zai2api %s`', async (line, usage) => {
    const { code, stdout, started } = await run(line)
    expect([code, started]).toEqual([0, []])
    expect(stdout).toStartWith(usage)
  })
})

describe('config', () => {
  const env = { AUTH_TOKEN: 'sk-abcdefghijklmnop', ZAI_TOKEN: 'short,eyJhbGciOiJ-long-9876', MODEL_MAP: 'a=b' }
  const files = { '/srv/.env': 'PRIMARY_MODEL=GLM-4.6', '/srv/zai2api.toml': 'log_level = "warn"' }

  test('--json shows values and sources, secrets masked', async () => {
    const { code, stdout } = await run('config --json --port 9', env, files)
    const shown: Record<string, unknown> = JSON.parse(stdout)
    expect(code).toBe(0)
    expect(Object.keys(shown)).toEqual(settingList.map((setting) => setting.env))
    expect(shown).toMatchObject({
      LISTEN_PORT: { value: 9, source: 'flag --port' },
      AUTH_TOKEN: { value: 'sk-…mnop', source: 'environment variable AUTH_TOKEN' },
      ANTHROPIC_API_KEY: { value: 'sk-…mnop', source: 'environment variable AUTH_TOKEN' },
      ZAI_TOKEN: { value: ['***', 'eyJ…9876'], source: 'environment variable ZAI_TOKEN' },
      BACKUP_TOKEN: { value: null, source: 'default' },
      MODEL_MAP: { value: { a: 'b' }, source: 'environment variable MODEL_MAP' },
      PRIMARY_MODEL: { value: 'GLM-4.6', source: 'PRIMARY_MODEL in /srv/.env' },
      LOG_LEVEL: { value: 'warn', source: 'log_level in /srv/zai2api.toml' },
    })
  })

  test('shows the same in columns', async () => {
    const { stdout } = await run('config --port 9', env, files)
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
    expect(rows).toHaveLength(settingList.length)
    expect(rows).toContainEqual(['LISTEN_PORT', '9', 'flag --port'])
    expect(rows).toContainEqual(['ZAI_TOKEN', '***,eyJ…9876', 'environment variable ZAI_TOKEN'])
    expect(rows).toContainEqual(['MODEL_MAP', 'a=b', 'environment variable MODEL_MAP'])
    expect(rows).toContainEqual(['BACKUP_TOKEN', '-', 'default'])
    expect(rows).toContainEqual(['CORS_ORIGINS', '-', 'default'])
  })

  test('shows a setting that is not set as such, whatever its kind', async () => {
    const shown: Record<string, unknown> = JSON.parse((await run('config --json')).stdout)
    expect(shown.OTEL_EXPORTER_OTLP_ENDPOINT).toEqual({ value: null, source: 'default' })
    expect((await run('config')).stdout).toMatch(/^OTEL_EXPORTER_OTLP_ENDPOINT +- +default$/m)
    expect((await run('config')).stdout).not.toContain('undefined')
  })

  test('prints warnings to standard error', async () => {
    const typo = { '/srv/.env': 'AUTH_TOKNE=sk-secret' }
    const { code, stdout, stderr } = await run('config --json', {}, typo)
    expect([code, stderr]).toEqual([
      0,
      'zai2api: AUTH_TOKNE in /srv/.env is not a setting and has no effect; did you mean AUTH_TOKEN?\n',
    ])
    expect(JSON.parse(stdout)).toMatchObject({ AUTH_TOKEN: { value: null } })
  })

  test('never shows a secret', async () => {
    for (const line of ['config', 'config --json']) {
      const { stdout } = await run(line, env)
      for (const secret of ['abcdefgh', 'short', 'hbGciOiJ']) expect(stdout).not.toContain(secret)
    }
  })

  test('a secret of twelve characters is masked completely', async () => {
    expect((await run('config', { AUTH_TOKEN: '123456789012' })).stdout).toMatch(/^AUTH_TOKEN +\*\*\* /m)
    expect((await run('config', { AUTH_TOKEN: '1234567890123' })).stdout).toMatch(/^AUTH_TOKEN +123…0123 /m)
  })

  test('an invalid configuration is reported like by any other command', async () => {
    expect(await run('config', { LISTEN_PORT: 'x' })).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('the real process', () => {
  test.skipIf(process.platform === 'win32')(
    'writes all of a long output before it ends',
    () => {
      const main = join(import.meta.dir, '../src/main.ts')
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
