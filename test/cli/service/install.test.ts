import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { ServiceOptions } from '../../../src/cli/service-options.ts'
import { home, makeHome, removeHome, run, type World, windowsEnv } from './installing.ts'

beforeEach(makeHome)
afterEach(removeHome)

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
