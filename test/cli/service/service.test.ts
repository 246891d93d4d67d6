import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Machine, service } from '../../../src/cli/commands/service.ts'
import { readConfigFile } from '../../../src/cli/config-files.ts'
import { systemdUnit } from '../../../src/cli/service/systemd.ts'
import { type ServiceOptions, serviceOptions } from '../../../src/cli/service-options.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'zai2api-service-'))
})
afterEach(() => rmSync(home, { recursive: true }))

interface World {
  platform?: NodeJS.Platform
  uid?: number
  env?: Record<string, string>
  executable?: string | undefined
  /** Exit codes by the beginning of a command. */
  codes?: Record<string, number>
  /** Programs that the machine does not have. */
  missing?: string[]
  /** Whether something answers at the address of the service. */
  answers?: boolean
}

async function run(options: Partial<ServiceOptions>, world: World = {}) {
  const { platform = 'linux', uid = 1000, env = {}, codes = {}, missing = [], answers = true } = world
  const ran: string[] = []
  const said = { stdout: '', stderr: '' }
  const io = {
    ...{ env: { HOME: home, ...env }, cwd: home, readFile: readConfigFile, version: '1.0' },
    stdout(text: string) {
      said.stdout += text
    },
    stderr(text: string | (() => string)) {
      said.stderr += typeof text === 'string' ? text : text()
    },
  }
  const machine: Machine = {
    ...{ platform, uid, executable: 'executable' in world ? world.executable : '/opt/zai2api/zai2api' },
    async run(command) {
      const line = command.join(' ')
      if (missing.includes(command[0] ?? '')) throw new Error('ENOENT')
      ran.push(line)
      return Object.entries(codes).find(([beginning]) => line.startsWith(beginning))?.[1] ?? 0
    },
    fetch: Object.assign(async () => (answers ? new Response('ok') : Promise.reject(new Error('connection refused'))), {
      preconnect() {},
    }),
    wait: async () => {},
  }
  const given = { action: 'install', scope: undefined, dryRun: false, follow: false, purge: false } as const
  const code = await service(io, { ...given, ...options }, machine)
  return { code, ran, ...said }
}

describe('--dry-run prints all that would be done, and does nothing', () => {
  const person = { env: { HOME: '/home/ann' } }
  test.each<[string, Partial<ServiceOptions>, World]>([
    ['systemd-system', {}, { uid: 0, env: { HOME: '/root' }, executable: '/home/ann/zai2api' }],
    ['systemd-user', {}, person],
    ['systemd-uninstall', { action: 'uninstall', purge: true }, { uid: 0, env: { HOME: '/root' } }],
    ['systemd-user-download', {}, { env: { HOME: '/home/ann' }, executable: '/home/ann/Downloads/zai2api' }],
    ['launchd', {}, { platform: 'darwin', uid: 501, env: { HOME: '/Users/ann & bob' } }],
    ['windows', {}, { platform: 'win32', env: windowsEnv('C:\\Users\\ann'), executable: 'C:\\Tools\\zai2api.exe' }],
  ])('%s', async (name, options, world) => {
    const { code, ran, stdout, stderr } = await run({ ...options, dryRun: true }, world)
    expect([code, ran, stderr]).toEqual([0, [], ''])
    const golden = join(import.meta.dir, 'golden', `${name}.txt`)
    if (process.env.GOLDEN === 'write') writeFileSync(golden, stdout)
    expect(stdout).toBe(readFileSync(golden, 'utf8'))
    expect(stdout).not.toMatch(/sk-[0-9A-Za-z]{8}/)
  })
})

function windowsEnv(home: string): Record<string, string> {
  // Elsewhere than on Windows, a path with a drive is not absolute.
  return { HOME: '', USERPROFILE: home, XDG_CONFIG_HOME: '/Users/ann/Roaming', XDG_STATE_HOME: '/Users/ann/Local' }
}

describe('install', () => {
  test('of a user writes the settings for that user alone, starts the service and says where it answers', async () => {
    const { code, ran, stdout } = await run({}, { env: { ZAI_API_KEY: 'a.b' } })
    const settings = join(home, '.config/zai2api/zai2api.toml')
    expect([code, ran]).toEqual([
      0,
      [
        'systemctl --user daemon-reload',
        'systemctl --user daemon-reload',
        'systemctl --user enable zai2api.service',
        'systemctl --user restart zai2api.service',
      ],
    ])
    expect(statSync(settings).mode & 0o777).toBe(0o600)
    expect(Bun.TOML.parse(readFileSync(settings, 'utf8'))).toEqual({
      auth_token: expect.stringMatching(/^sk-[0-9A-Za-z]{32}$/),
      zai_api_key: 'a.b',
    })
    expect(stdout).toStartWith('The service answers at http://127.0.0.1:8080 (systemd, for you alone).\n')
    expect(stdout).not.toContain('It has no key')
    expect(stdout).toEndWith(
      'It runs while you are logged in; loginctl enable-linger has it run always.\nNext: zai2api env openai\n',
    )
  })

  test('keeps settings that are there, and asks at the port they name', async () => {
    const settings = join(home, '.config/zai2api/zai2api.toml')
    await Bun.write(settings, 'listen_port = 9000\n')
    const { code, stdout } = await run({})
    expect([code, readFileSync(settings, 'utf8')]).toEqual([0, 'listen_port = 9000\n'])
    expect(stdout).toContain('The service answers at http://127.0.0.1:9000 ')
    expect(stdout).toContain(
      `Settings: ${settings}\nIt takes any key, from this machine only; auth_token in that file sets one.\n`,
    )
    expect(stdout).toContain(
      'It has no key for Z.AI yet: zai2api setup puts one into that file; no restart is needed.\n',
    )
  })

  test('tells the service where the user’s other commands look for its data', async () => {
    const state = join(home, '100% of it')
    await run({}, { env: { XDG_STATE_HOME: state } })
    expect(readFileSync(join(home, '.config/systemd/user/zai2api.service'), 'utf8')).toContain(
      `\nEnvironment="STATE_DIRECTORY=${home}/100%% of it/zai2api"\n`,
    )
  })

  test('names the client that is installed as the next step', async () => {
    const claude = join(home, 'claude')
    await Bun.write(claude, '#!/bin/sh\n')
    chmodSync(claude, 0o755)
    expect((await run({}, { env: { PATH: home } })).stdout).toEndWith('\nNext: zai2api claude\n')
  })

  test('ends at the first step that fails, with its exit code', async () => {
    const { code, ran, stderr } = await run({}, { codes: { 'systemctl --user enable': 3 } })
    expect([code, ran.at(-1)]).toEqual([3, 'systemctl --user enable zai2api.service'])
    expect(stderr).toBe('zai2api: this failed: run systemctl --user enable zai2api.service\n')
  })

  test.each<[string, World, number, string]>([
    ['does not run', { codes: { systemctl: 1 } }, 1, ''],
    ['is not there', { missing: ['systemctl'] }, 127, 'zai2api: there is no systemctl on this machine\n'],
  ])('writes nothing where systemd %s', async (_name, world, expected, said) => {
    const { code, stderr } = await run({}, world)
    expect([code, stderr]).toEqual([
      expected,
      `${said}zai2api: the service manager of this machine does not run, or cannot be reached by you; nothing was written. zai2api serve runs it in this terminal\n`,
    ])
    // A gateway that runs already would read settings that were left behind, and want a key.
    expect(existsSync(join(home, '.config'))).toBe(false)
  })

  test('gives the service a copy of a download, says so, and replaces it when it is called again', async () => {
    const [download, copy] = [join(home, 'Downloads/zai2api'), join(home, '.local/bin/zai2api')]
    await Bun.write(download, 'one')
    const { code, stdout } = await run({}, { executable: download })
    expect([code, readFileSync(copy, 'utf8'), statSync(copy).mode & 0o777]).toEqual([0, 'one', 0o755])
    expect(readFileSync(join(home, '.config/systemd/user/zai2api.service'), 'utf8')).toContain(
      `\nExecStart=${copy} serve `,
    )
    expect(stdout).toContain(
      `It runs a copy, ${copy}: ${copy} update brings it up to date, and ${download} is not needed any more.\n`,
    )
    await Bun.write(download, 'two')
    const again = await run({}, { executable: download })
    expect([again.code, readFileSync(copy, 'utf8')]).toEqual([0, 'two'])
    expect(again.ran).toContain('systemctl --user restart zai2api.service')
    // Whoever may write to that folder could have left a link there.
    const victim = join(home, 'victim')
    writeFileSync(victim, 'mine')
    symlinkSync(victim, `${copy}.new`)
    await run({}, { executable: download })
    expect([readFileSync(victim, 'utf8'), readFileSync(copy, 'utf8')]).toEqual(['mine', 'two'])

    // The copy itself installs the service without a copy of its own.
    expect((await run({}, { executable: copy })).stdout).not.toContain('copy')
  })

  test.each<[string, string, boolean]>([
    ['of the system', '/usr/bin/zai2api', true],
    ['of Homebrew', '/home/linuxbrew/.linuxbrew/bin/zai2api', true],
    ['of npm', '/home/ann/.npm-global/lib/node_modules/@zai2api/linux-x64/zai2api', true],
    ['in the cache of npx', '/home/ann/.npm/_npx/1f/node_modules/@zai2api/linux-x64/zai2api', false],
    ['in a folder of PATH', '/home/ann/bin/zai2api', true],
    ['in a clone', '/home/ann/zai2api/dist/zai2api', false],
    ['in a temporary folder', '/tmp/zai2api', false],
  ])('a program %s is lasting or gets a copy: %s', async (_name, executable, isLasting) => {
    const env = { HOME: '/home/ann', PATH: '/home/ann/bin:/usr/bin' }
    const { stdout } = await run({ dryRun: true }, { executable, env })
    expect(stdout.includes(`copy ${executable} to /home/ann/.local/bin/zai2api`)).toBe(!isLasting)
    const program = isLasting ? executable : '/home/ann/.local/bin/zai2api'
    expect(stdout.replaceAll('"', '')).toContain(`ExecStart=${program} serve`)
  })

  test('fails if the service does not answer, and says where to look', async () => {
    const { code, stderr } = await run({}, { answers: false })
    expect(code).toBe(1)
    expect(stderr).toBe(
      'zai2api: the service does not answer at http://127.0.0.1:8080; zai2api service logs tells why\n',
    )
  })

  test.each<[string, Partial<ServiceOptions>, World, string]>([
    ['from source', {}, { executable: undefined }, 'a service needs the executable'],
    ['for all users, by a user', { scope: 'system' }, {}, 'sudo, or --user'],
    ['for all users of a Mac', {}, { platform: 'darwin', uid: 0 }, 'known on Linux alone'],
    ['on another system', {}, { platform: 'freebsd' }, 'no service manager is known for freebsd'],
    ['without a home', {}, { env: { HOME: '' } }, 'HOME is not set'],
  ])('is refused %s', async (_name, options, world, message) => {
    await expect(run(options, world)).rejects.toThrow(message)
  })
})

describe('the other actions', () => {
  test('uninstall says what stays and what removes it, and minds no service that is gone', async () => {
    const download = join(home, 'Downloads/zai2api')
    await Bun.write(download, 'program')
    await run({}, { executable: download })
    const [settings, state] = [join(home, '.config/zai2api'), join(home, '.local/state/zai2api')]
    await Bun.write(join(state, 'zai2api.sqlite'), '')
    const unit = join(home, '.config/systemd/user/zai2api.service')
    const copy = join(home, '.local/bin/zai2api')
    const codes = { 'systemctl --user disable': 1 }
    expect(existsSync(unit)).toBe(true)
    expect(await run({ action: 'uninstall' }, { codes })).toMatchObject({
      ...{ code: 0, stderr: '' },
      stdout: `The service is removed.\nWhat stays, and what removes it:\n  ${settings}, ${state}: zai2api service uninstall --purge\n  ${copy}: rm ${copy}\n`,
    })
    expect([existsSync(unit), existsSync(settings), existsSync(state)]).toEqual([false, true, true])
    expect(await run({ action: 'uninstall', purge: true }, { codes })).toMatchObject({
      ...{ code: 0, stderr: '' },
      stdout: `There was no service.\nWhat stays, and what removes it:\n  ${copy}: rm ${copy}\n`,
    })
    rmSync(copy)
    expect(await run({ action: 'uninstall' })).toMatchObject({ code: 0, stdout: 'There was no service.\n' })
    expect([existsSync(settings), existsSync(state)]).toEqual([false, false])
  })

  test.each<[string, World]>([
    ['does not run', { codes: { systemctl: 1 } }],
    ['is not there', { missing: ['systemctl'] }],
  ])('uninstall removes the files where systemd %s', async (_name, world) => {
    await run({})
    const unit = join(home, '.config/systemd/user/zai2api.service')
    expect(existsSync(unit)).toBe(true)
    const { code, stdout, stderr } = await run({ action: 'uninstall', purge: true }, world)
    expect([code, stdout]).toEqual([0, 'The service is removed.\n'])
    expect(stderr).toEndWith(
      'zai2api: the service manager of this machine does not run, or cannot be reached by you: a service that runs is not stopped, files alone are removed\n',
    )
    expect([existsSync(unit), existsSync(join(home, '.config/zai2api'))]).toEqual([false, false])
  })

  test.each(['status', 'logs', 'restart'] as const)('%s names a program that is not there', async (action) => {
    await run({})
    const missing = ['systemctl', 'journalctl']
    const { code, stderr } = await run({ action }, { missing })
    expect(code).toBe(127)
    expect(stderr).toMatch(/^zai2api: there is no (?:systemctl|journalctl) on this machine\n$/)
  })

  test('a file that cannot be written is named', async () => {
    await Bun.write(join(home, '.config'), 'a file, and no folder')
    const { code, stderr } = await run({})
    expect(code).toBe(1)
    expect(stderr).toContain(join(home, '.config'))
    expect(stderr).toContain('zai2api: this failed: write ')
  })

  test('status says that there is no service, and how to make one, and calls no service manager', async () => {
    expect(await run({ action: 'status' })).toEqual({
      ...{ code: 4, ran: [], stderr: '' },
      stdout:
        'There is no service (systemd, for you alone); zai2api service install makes one.\nA gateway answers at http://127.0.0.1:8080, and a request could succeed now.\n',
    })
  })

  test('status shows what the service manager says, and whether the gateway answers', async () => {
    await run({})
    expect(await run({ action: 'status' })).toMatchObject({
      ran: ['systemctl --user status --no-pager zai2api.service'],
      stdout: '\nA gateway answers at http://127.0.0.1:8080, and a request could succeed now.\n',
    })
    const silent = await run({ action: 'status' }, { answers: false, codes: { systemctl: 3 } })
    expect(silent).toMatchObject({ code: 3, stdout: '\nNothing answers at http://127.0.0.1:8080.\n' })
  })

  test.each<[Partial<ServiceOptions>, string]>([
    [{ action: 'restart' }, 'systemctl --user restart zai2api.service'],
    [{ action: 'logs' }, 'journalctl --user --unit zai2api.service --lines 100'],
    [{ action: 'logs', follow: true }, 'journalctl --user --unit zai2api.service --lines 100 --follow'],
  ])('%j', async (options, command) => expect((await run(options)).ran).toEqual([command]))

  test.each<[string[], string]>([
    [[], 'needs to be told what to do: install, status, logs, restart, uninstall'],
    [['instal'], 'did you mean install?'],
    [['install', 'now'], 'unexpected argument now'],
  ])('zai2api service %j', (words, message) => expect(() => serviceOptions(words, new Map())).toThrow(message))
})

describe('the unit', () => {
  test('in deploy is the one for a machine', () => {
    const path = join(import.meta.dir, '../../../deploy/zai2api.service')
    const unit = systemdUnit('system', '/usr/local/bin/zai2api', '/etc/zai2api/zai2api.toml')
    if (process.env.GOLDEN === 'write') writeFileSync(path, unit)
    expect(readFileSync(path, 'utf8')).toBe(unit)
  })

  const analyze = Bun.which('systemd-analyze')
  // Without systemd there is nobody who could judge a unit; the golden files hold its text all the same.
  describe.skipIf(analyze === null)('is judged by systemd', () => {
    test.each(['system', 'user'] as const)('%s: every line is understood', (scope) => {
      const executable = join(home, 'a folder, 100% $HOME', 'zai2api')
      const unit = join(home, 'zai2api.service')
      Bun.spawnSync(['mkdir', '-p', join(executable, '..')])
      writeFileSync(executable, '#!/bin/sh\n')
      chmodSync(executable, 0o755)
      const state = scope === 'user' ? join(home, 'a state, 100% $HOME') : undefined
      writeFileSync(unit, systemdUnit(scope, executable, '/etc/zai2api/zai2api.toml', state))
      const { exitCode, stdout, stderr } = Bun.spawnSync([analyze ?? '', 'verify', '--man=no', unit])
      expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: '' })
    })

    test('system: it is confined', () => {
      const unit = join(home, 'zai2api.service')
      writeFileSync(unit, systemdUnit('system', '/usr/local/bin/zai2api', '/etc/zai2api/zai2api.toml'))
      const { stdout } = Bun.spawnSync([analyze ?? '', 'security', '--offline=yes', '--no-pager', unit])
      const level = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(String(stdout))?.[1])
      expect(level).toBeLessThanOrEqual(1.5)
    })
  })
})
