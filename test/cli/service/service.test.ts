import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
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
  /** Whether something answers at the address of the service. */
  answers?: boolean
}

async function run(options: Partial<ServiceOptions>, world: World = {}) {
  const { platform = 'linux', uid = 1000, env = {}, codes = {}, answers = true } = world
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
        'systemctl --user enable --now zai2api.service',
      ],
    ])
    expect(statSync(settings).mode & 0o777).toBe(0o600)
    expect(Bun.TOML.parse(readFileSync(settings, 'utf8'))).toEqual({
      auth_token: expect.stringMatching(/^sk-[0-9A-Za-z]{32}$/),
      zai_api_key: 'a.b',
    })
    expect(stdout).toStartWith('The service answers at http://127.0.0.1:8080 (systemd, for you alone).\n')
    expect(stdout).not.toContain('It has no key')
  })

  test('keeps settings that are there, and asks at the port they name', async () => {
    const settings = join(home, '.config/zai2api/zai2api.toml')
    await Bun.write(settings, 'listen_port = 9000\n')
    const { code, stdout } = await run({})
    expect([code, readFileSync(settings, 'utf8')]).toEqual([0, 'listen_port = 9000\n'])
    expect(stdout).toContain('The service answers at http://127.0.0.1:9000 ')
    expect(stdout).toContain('put zai_api_key into that file')
  })

  test('ends at the first step that fails, with its exit code', async () => {
    const { code, ran, stderr } = await run({}, { codes: { 'systemctl --user daemon-reload': 3 } })
    expect([code, ran]).toEqual([3, ['systemctl --user daemon-reload']])
    expect(stderr).toBe('zai2api: this failed: run systemctl --user daemon-reload\n')
    // A gateway that runs already would read settings that were left behind, and want a key.
    expect(existsSync(join(home, '.config/zai2api'))).toBe(false)
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
  test('uninstall keeps settings unless it is told to purge, and minds no service that is gone', async () => {
    await run({})
    const settings = join(home, '.config/zai2api/zai2api.toml')
    const unit = join(home, '.config/systemd/user/zai2api.service')
    const codes = { 'systemctl --user disable': 1 }
    expect(existsSync(unit)).toBe(true)
    expect(await run({ action: 'uninstall' }, { codes })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(settings),
    })
    expect([existsSync(unit), existsSync(settings)]).toEqual([false, true])
    await run({ action: 'uninstall', purge: true }, { codes })
    expect(existsSync(settings)).toBe(false)
  })

  test('status shows what the service manager says, and whether the gateway answers', async () => {
    expect(await run({ action: 'status' })).toMatchObject({
      ran: ['systemctl --user status --no-pager zai2api.service'],
      stdout: '\nIt answers at http://127.0.0.1:8080, and a request could succeed now.\n',
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
      writeFileSync(unit, systemdUnit(scope, executable, '/etc/zai2api/zai2api.toml'))
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
