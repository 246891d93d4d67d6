import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Machine, service } from '../../../src/cli/commands/service.ts'
import { readConfigFile } from '../../../src/cli/config-files.ts'
import { isOpenToAll } from '../../../src/cli/io.ts'
import { systemCommands } from '../../../src/cli/service/run-command.ts'
import { follow, type RunCommand } from '../../../src/cli/service/steps.ts'
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
  codes?: Record<string, number | (() => number)>
  /** Programs that the machine does not have. */
  missing?: string[]
  /** Whether something answers at the address of the service. */
  answers?: boolean
  /** Whether it proves to be the service. */
  proves?: boolean
  /** The folder that stands for the root of the file system. */
  root?: string
}

/** What asks whether the service is still there: it fails once that has been stopped. */
const stopped: Record<string, number> = {
  'systemctl is-active': 3,
  'systemctl --user is-active': 3,
  'launchctl print': 113,
  'C:\\Windows\\System32\\schtasks.exe /Query': 1,
}

async function run(options: Partial<ServiceOptions>, world: World = {}) {
  const { platform = 'linux', uid = 1000, env = {}, missing = [], answers = true } = world
  const { proves = answers && options.action !== 'uninstall' } = world
  const codes = { ...world.codes, ...stopped, ...world.codes }
  const ran: string[] = []
  const said = { stdout: '', stderr: '' }
  const io = {
    ...{ env: { HOME: home, ...env }, cwd: home, readFile: readConfigFile, isOpenToAll, version: '1.0' },
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
      const code = Object.entries(codes).find(([beginning]) => line.startsWith(beginning))?.[1] ?? 0
      return typeof code === 'number' ? code : code()
    },
    fetch: Object.assign(async () => (answers ? new Response('ok') : Promise.reject(new Error('connection refused'))), {
      preconnect() {},
    }),
    proves: async () => proves,
    root: world.root ?? '',
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
  const folders = { XDG_CONFIG_HOME: '/Users/ann/Roaming', XDG_STATE_HOME: '/Users/ann/Local' }
  return { HOME: '', USERPROFILE: home, ...folders, USERDOMAIN: 'DESK', USERNAME: 'ann', SystemRoot: 'C:\\Windows' }
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
    ['of bun', '/home/ann/.bun/install/global/node_modules/zai2api-linux-x64/zai2api', true],
    ['of yarn', '/home/ann/.config/yarn/global/node_modules/zai2api-linux-x64/zai2api', true],
    ['of pnpm', '/home/ann/.local/share/pnpm/global/5/.pnpm/zai2api@1.0.0/node_modules/zai2api/zai2api', false],
    ['of a project', '/home/ann/app/node_modules/zai2api-linux-x64/zai2api', false],
    ['of a project below /usr', '/usr/src/app/node_modules/zai2api-linux-x64/zai2api', false],
    ['in the cache of npx', '/home/ann/.npm/_npx/1f/node_modules/@zai2api/linux-x64/zai2api', false],
    ['in the cache of npx for all', '/opt/npm/_npx/1f/lib/node_modules/zai2api-linux-x64/zai2api', false],
    ['of bunx', '/tmp/bunx-1000-zai2api@latest/node_modules/zai2api-linux-x64/zai2api', false],
    ['of bunx elsewhere', '/home/ann/t/bunx-1000-zai2api/lib/node_modules/zai2api-linux-x64/zai2api', false],
    ['of yarn dlx', '/tmp/xfs-1f/dlx-22/node_modules/zai2api-linux-x64/zai2api', false],
    ['of pnpm dlx', '/home/ann/.cache/pnpm/dlx/1f/node_modules/zai2api-linux-x64/zai2api', false],
    ['in a temporary folder of PATH', '/tmp/bin/zai2api', false],
    ['in memory', '/dev/shm/zai2api', false],
    ['in the other temporary folder', '/var/tmp/zai2api', false],
    ['in the store of Nix', '/nix/store/1f-zai2api-1.0.0/bin/zai2api', false],
    ['in a folder of PATH', '/home/ann/bin/zai2api', true],
    ['in a clone', '/home/ann/zai2api/dist/zai2api', false],
    ['in a temporary folder', '/tmp/zai2api', false],
  ])('a program %s is lasting or gets a copy: %s', async (_name, executable, isLasting) => {
    const env = {
      HOME: '/home/ann',
      PATH: '/home/ann/bin:/usr/bin:/tmp/bin:/home/ann/t/bunx-1000-zai2api/lib/node_modules/zai2api-linux-x64',
    }
    const { stdout } = await run({ dryRun: true }, { executable, env })
    expect(stdout.includes(`copy ${executable} to /home/ann/.local/bin/zai2api`)).toBe(!isLasting)
    const program = isLasting ? executable : '/home/ann/.local/bin/zai2api'
    expect(stdout.replaceAll('"', '')).toContain(`ExecStart=${program} serve`)
  })

  test.each([
    [
      '/home/linuxbrew/.linuxbrew/Cellar/zai2api/0.1.0/bin/zai2api',
      '/home/linuxbrew/.linuxbrew/opt/zai2api/bin/zai2api',
    ],
    ['/home/ann/brew/Cellar/zai2api/0.1.0_1/bin/zai2api', '/home/ann/brew/opt/zai2api/bin/zai2api'],
  ])('a program that Homebrew replaces, %s, is run by the name that stays', async (executable, program) => {
    const { stdout } = await run({ dryRun: true }, { executable, env: { HOME: '/home/ann' } })
    expect(stdout).toContain(`ExecStart=${program} serve`)
    expect(stdout).not.toContain('copy')
    expect((await run({}, { executable })).stdout).not.toContain('copy')
  })

  test('a program of Nix is run by the link of the profile', async () => {
    const [store, profile] = [join(home, 'nix/store/1f-zai2api/bin'), join(home, '.nix-profile/bin')]
    await Bun.write(join(store, 'zai2api'), 'program')
    mkdirSync(profile, { recursive: true })
    symlinkSync(join(store, 'zai2api'), join(profile, 'zai2api'))
    const world = { executable: join(store, 'zai2api'), env: { PATH: `${store}:${profile}` } }
    expect((await run({ dryRun: true }, world)).stdout).toContain(`ExecStart=${join(profile, 'zai2api')} serve`)
  })

  test('makes folders that nobody else may write to, whatever the umask', async () => {
    const umask = process.umask(0)
    try {
      await Bun.write(join(home, 'Downloads/zai2api'), 'program')
      await run({}, { executable: join(home, 'Downloads/zai2api') })
    } finally {
      process.umask(umask)
    }
    const folders = ['.config/systemd', '.config/systemd/user', '.local', '.local/bin']
    expect(folders.map((folder) => [folder, (statSync(join(home, folder)).mode & 0o022).toString(8)])).toEqual(
      folders.map((folder) => [folder, '0']),
    )
    expect(statSync(join(home, '.config/systemd/user/zai2api.service')).mode & 0o777).toBe(0o644)
  })

  test('replaces a link where the unit and the copy belong, and leaves what it leads to', async () => {
    const victim = join(home, 'victim')
    await Bun.write(victim, 'of somebody else')
    await Bun.write(join(home, 'Downloads/zai2api'), 'program')
    for (const path of ['.config/systemd/user/zai2api.service', '.local/bin/zai2api', '.local/bin/zai2api.new']) {
      mkdirSync(join(home, path, '..'), { recursive: true })
      symlinkSync(victim, join(home, path))
    }
    const { code } = await run({}, { executable: join(home, 'Downloads/zai2api') })
    expect([code, readFileSync(victim, 'utf8')]).toEqual([0, 'of somebody else'])
    expect(lstatSync(join(home, '.config/systemd/user/zai2api.service')).isFile()).toBe(true)
    expect(readFileSync(join(home, '.local/bin/zai2api'), 'utf8')).toBe('program')
  })

  test('leaves nothing half-written behind', async () => {
    await Bun.write(join(home, '.local/bin/zai2api/in-the-way'), '')
    await Bun.write(join(home, 'Downloads/zai2api'), 'program')
    const { code, stderr } = await run({}, { executable: join(home, 'Downloads/zai2api') })
    expect([code, readdirSync(join(home, '.local/bin'))]).toEqual([1, ['zai2api']])
    expect(stderr).toContain('this failed: copy ')
  })

  describe('for all users', () => {
    const [folder, file] = ['etc/zai2api', 'etc/zai2api/zai2api.toml']
    const modes = () => [folder, file].map((path) => (lstatSync(join(home, path)).mode & 0o777).toString(8))
    const own = ['root:zai2api', 'root:zai2api']
    const chowned = (ran: readonly string[]) =>
      ran.flatMap((line) => /^chown -h (\S+) .*zai2api(?:\.toml)?$/.exec(line)?.[1] ?? [])

    test('the settings are read by the service, and written by root alone', async () => {
      const { code, ran } = await run({}, { uid: 0, root: home })
      expect([code, modes(), chowned(ran)]).toEqual([0, ['750', '640'], own])
    })

    test.each([0o600, 0o644])('settings that are kept, too: %o', async (mode) => {
      mkdirSync(join(home, folder), { recursive: true, mode: 0o700 })
      writeFileSync(join(home, file), 'listen_port = 9000\n')
      chmodSync(join(home, file), mode)
      const { code, ran } = await run({}, { uid: 0, root: home })
      expect([code, modes(), chowned(ran)]).toEqual([0, ['750', '640'], own])
      expect(readFileSync(join(home, file), 'utf8')).toBe('listen_port = 9000\n')
    })

    test.each([
      ['a symbolic link', symlinkSync],
      ['another name', linkSync],
    ])('%s of another file is refused, and that file stays as it is', async (_name, link) => {
      mkdirSync(join(home, folder), { recursive: true })
      const victim = join(home, 'shadow')
      writeFileSync(victim, 'of root', { mode: 0o600 })
      link(victim, join(home, file))
      const { code, ran, stderr } = await run({}, { uid: 0, root: home })
      expect([code, statSync(victim).mode & 0o777]).toEqual([1, 0o600])
      expect(stderr).toContain(`${join(home, file)} is a link or has another name; put the file itself there`)
      expect(ran.join()).not.toContain('zai2api.toml')
    })
  })

  const isRoot = process.getuid?.() === 0
  test.skipIf(!isRoot)('is refused to root in the home of somebody else, and nothing is written', async () => {
    chownSync(home, 12_345, 12_345)
    await expect(run({ scope: 'user' }, { uid: 0 })).rejects.toThrow(
      `${home} belongs to another user; do this as that user, without sudo, or --system for all users`,
    )
    await expect(
      run({ scope: 'user' }, { uid: 0, env: { HOME: '/root', XDG_CONFIG_HOME: join(home, 'x/y') } }),
    ).rejects.toThrow(`${home} belongs to another user`)
    expect(readdirSync(home)).toEqual([])
  })

  test('on a Mac waits until the old one is gone, which has answers to finish', async () => {
    let isThere = 3
    const print = () => (isThere-- > 0 ? 0 : 113)
    const world: World = { platform: 'darwin', uid: 501, codes: { 'launchctl print': print } }
    const { code, ran } = await run({}, world)
    expect([code, ran.map((line) => line.split(' ')[1])]).toEqual([
      0,
      ['bootout', 'print', 'print', 'print', 'print', 'bootstrap'],
    ])
    const stuck = await run({}, { ...world, codes: { 'launchctl print': 0 } })
    expect([stuck.code, stuck.ran.filter((line) => line.includes('bootstrap'))]).toEqual([1, []])
    expect(stuck.stderr).toStartWith('zai2api: this failed: wait until it is gone, 60 s at most: launchctl print ')
  })

  test('does not take another program at that port for the service', async () => {
    const { code, stdout, stderr } = await run({}, { proves: false })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe(
      'zai2api: another program answers at http://127.0.0.1:8080, and not the service; zai2api service logs tells why\n',
    )
  })

  test('says that others can read the keys of settings that are kept', async () => {
    const settings = join(home, '.config/zai2api/zai2api.toml')
    await Bun.write(settings, 'zai_api_key = "a.b"\n')
    for (const path of [home, join(home, '.config'), join(home, '.config/zai2api')]) chmodSync(path, 0o755)
    chmodSync(settings, 0o644)
    const warning = `${settings} holds keys, and every user of this machine can read it: chmod 600 ${settings}\n`
    expect((await run({})).stdout).toContain(warning)
    chmodSync(join(home, '.config'), 0o700)
    expect((await run({})).stdout).not.toContain('every user')
    chmodSync(join(home, '.config'), 0o755)
    chmodSync(settings, 0o600)
    expect((await run({})).stdout).not.toContain('every user')
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
    ['in a home with a line break', {}, { env: { HOME: '/home/a\n[Service]' } }, 'has a control character in its name'],
    ['with such a program', {}, { executable: '/opt/a\tb/zai2api' }, 'has a control character in its name'],
    [
      'where cmd.exe would read a variable',
      {},
      { platform: 'win32', env: windowsEnv('C:\\Users\\ann'), executable: 'C:\\Program Files\\a%b\\zai2api.exe' },
      'has a % in its name',
    ],
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
    const running = { ...codes, 'systemctl --user is-active': 0 }
    expect(await run({ action: 'uninstall', purge: true }, { codes: running })).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringMatching(/the service still runs, and nothing was removed\n$/),
    })
    expect([existsSync(unit), existsSync(settings), existsSync(state)]).toEqual([true, true, true])
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

  test.each<[string, Partial<ServiceOptions>, World]>([
    ['its data would be deleted', { purge: true }, {}],
    ['it cannot be stopped without the service manager', {}, { missing: ['systemctl'] }],
  ])('uninstall removes nothing while a gateway of these data answers, where %s', async (_name, options, world) => {
    await run({})
    const result = await run({ action: 'uninstall', ...options }, { ...world, proves: true })
    expect([result.code, result.stdout]).toEqual([1, ''])
    expect(result.stderr).toEndWith(
      'zai2api: a gateway with these data still answers at http://127.0.0.1:8080; stop it first, nothing was removed\n',
    )
    expect(existsSync(join(home, '.config/systemd/user/zai2api.service'))).toBe(true)
    expect(existsSync(join(home, '.config/zai2api'))).toBe(true)
  })

  test('uninstall minds no mistake in the settings', async () => {
    await run({})
    await Bun.write(join(home, '.config/zai2api/zai2api.toml'), 'listen_prot = 9000\n')
    expect(await run({ action: 'uninstall', purge: true })).toMatchObject({ code: 0, stderr: '' })
  })

  test('uninstall says where data is that a link led to', async () => {
    await run({})
    const [disk, state] = [join(home, 'disk'), join(home, '.local/state/zai2api')]
    await Bun.write(join(disk, 'zai2api.sqlite'), '')
    mkdirSync(join(state, '..'), { recursive: true })
    symlinkSync(disk, state)
    expect(await run({ action: 'uninstall', purge: true })).toMatchObject({
      code: 0,
      stdout: `The service is removed.\nWhat stays, and what removes it:\n  ${disk}, to which ${state} led: rm -r ${disk}\n`,
    })
    expect([existsSync(state), existsSync(join(disk, 'zai2api.sqlite'))]).toEqual([false, true])
  })

  test('names the user of the service for removal only once nothing of it is left', async () => {
    const world = { uid: 0, root: home }
    expect((await run({}, world)).code).toBe(0)
    const kept = await run({ action: 'uninstall' }, world)
    expect(kept.stdout).toContain(`, ${home}/usr/lib/sysusers.d/zai2api.conf: zai2api service uninstall --purge\n`)
    expect(kept.stdout).not.toContain('userdel')
    expect((await run({ action: 'uninstall', purge: true }, world)).stdout).toContain('userdel zai2api')
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

  test('on Windows every program is named by its path, since the shell looks in the working directory first', async () => {
    const world: World = { platform: 'win32', env: windowsEnv('C:\\Users\\ann') }
    for (const action of ['restart', 'logs'] as const)
      for (const command of (await run({ action }, world)).ran.flatMap((line) => line.split(' & ')))
        expect(command).toMatch(/^C:\\Windows\\System32\\\S+\.exe (?:\/d \/c C:\\Windows\\System32\\schtasks\.exe)?/)
  })

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
    const names = ['a folder, 100% $HOME', "o'brien", 'a"b', 'a\\b', "a=b'c", "'", '%h $$ "x" \\n']
    test.each(names.flatMap((name) => (['system', 'user'] as const).map((scope) => [scope, name] as const)))(
      '%s: every line is understood, in a folder %s',
      (scope, name) => {
        const executable = join(home, name, 'zai2api')
        const unit = join(home, 'zai2api.service')
        Bun.spawnSync(['mkdir', '-p', join(executable, '..')])
        writeFileSync(executable, '#!/bin/sh\n')
        chmodSync(executable, 0o755)
        const state = scope === 'user' ? join(home, name) : undefined
        writeFileSync(unit, systemdUnit(scope, executable, join(home, name, 'zai2api.toml'), state))
        const { exitCode, stdout, stderr } = Bun.spawnSync([analyze ?? '', 'verify', '--man=no', unit])
        expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: '' })
      },
    )

    test('system: it is confined', () => {
      const unit = join(home, 'zai2api.service')
      writeFileSync(unit, systemdUnit('system', '/usr/local/bin/zai2api', '/etc/zai2api/zai2api.toml'))
      const { stdout } = Bun.spawnSync([analyze ?? '', 'security', '--offline=yes', '--no-pager', unit])
      const level = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(String(stdout))?.[1])
      expect(level).toBeLessThanOrEqual(1.5)
    })
  })
})

describe('the steps', () => {
  const tools = (run: RunCommand) => ({
    ...{ dryRun: false, run, wait: async () => {} },
    io: { env: {}, cwd: '/', readFile: () => undefined, version: '', stdout() {}, stderr() {} },
  })

  test('write UTF-16 as Windows reads it', async () => {
    const path = join(home, 'folder/task.xml')
    const step = { kind: 'write', path, mode: 0o644, text: '<a>Zoë</a>', encoding: 'UTF-16' } as const
    expect(
      await follow(
        [step],
        tools(async () => 0),
      ),
    ).toBe(0)
    const bytes = readFileSync(path)
    expect([...bytes.subarray(0, 4)]).toEqual([0xff, 0xfe, 0x3c, 0])
    expect(new TextDecoder('utf-16le').decode(bytes)).toBe('<a>Zoë</a>')
  })

  test('make the folder of a log', async () => {
    const path = join(home, 'a/b')
    expect(
      await follow(
        [{ kind: 'folder', path, mode: 0o700 }],
        tools(async () => 0),
      ),
    ).toBe(0)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  test('that change an owner come before those that change a mode, and end where it fails', async () => {
    const path = join(home, 'settings')
    writeFileSync(path, '', { mode: 0o600 })
    const step = { kind: 'write', path, mode: 0o640, owner: 'root:zai2api', text: '', keep: true } as const
    expect(
      await follow(
        [step],
        tools(async () => 1),
      ),
    ).toBe(1)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})

describe.skipIf(process.platform === 'win32')('the commands of root', () => {
  test('are those of the system, whatever PATH says', async () => {
    for (const name of ['true', 'zai2api-own']) {
      writeFileSync(join(home, name), `#!/bin/sh\nexit 7\n`)
      chmodSync(join(home, name), 0o755)
    }
    const env = { PATH: `${home}:.`, OTHER: 'kept' }
    const asRoot = systemCommands(env, 0)
    expect(await asRoot(['true'])).toBe(0)
    expect(await asRoot(['sh', '-c', `test "$OTHER" = kept && case "$PATH" in *${home}*) exit 8 ;; esac`])).toBe(0)
    await expect(asRoot(['zai2api-own'])).rejects.toThrow('there is no zai2api-own')
    expect(await systemCommands(env, 1000)(['true'])).toBe(7)
  })
})
