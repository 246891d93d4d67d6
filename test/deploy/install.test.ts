import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newReleaseKey, releaseOf, serveFiles } from '../support/release.ts'

const script = join(import.meta.dir, '../../deploy/install.sh')
const platforms = ['linux-x64', 'linux-arm64', 'linux-x64-musl', 'linux-arm64-musl', 'macos-x64', 'macos-arm64']

let home = ''
let release = releaseOf('9.8.7', platforms)
let server = serveFiles(release.files)
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'zai2api-install-'))
  release = releaseOf('9.8.7', platforms)
  server = serveFiles(release.files)
})
afterEach(async () => {
  await server.stop()
  rmSync(home, { recursive: true })
})

interface Options {
  args?: string[]
  env?: Record<string, string>
  key?: string
  /** The only programs on the PATH. */
  programs?: string[]
  shell?: string
}

async function install({ args, env, key = release.publicKey, programs, shell = 'sh' }: Options = {}) {
  let path = process.env.PATH ?? ''
  if (programs !== undefined) {
    path = mkdtempSync(join(home, 'bin-'))
    for (const name of programs) symlinkSync(Bun.which(name) ?? name, join(path, name))
  }
  const child = Bun.spawn([shell, script, ...(args ?? ['--from', server.url, '--dir', join(home, 'target')])], {
    env: { PATH: path, HOME: home, TMPDIR: home, ZAI2API_RELEASE_KEY: key, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

const coreutils = 'sh id uname curl sha256sum cut sed mktemp rm tar gzip mkdir cp chmod mv tail'.split(' ')
const installed = () => join(home, 'target/zai2api')

describe.skipIf(process.platform === 'win32')('install.sh', () => {
  test('puts the executable in place, says the next step, leaves nothing else, and removes it again', async () => {
    const { code, stdout, stderr } = await install()
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`Installed zai2api 9.8.7 as ${installed()}.\n`)
    expect(stdout).toContain(`\nNext: ${installed()} setup `)
    expect(statSync(installed()).mode & 0o777).toBe(0o755)
    expect(readdirSync(home)).toEqual(['target'])
    const [settings, state] = [join(home, '.config/zai2api'), join(home, '.local/state/zai2api')]
    mkdirSync(settings, { recursive: true })
    mkdirSync(state, { recursive: true })
    const stays = (path: string) => `Your settings or data stay; this removes them: rm -r '${path}'\n`
    expect(await install({ args: ['--uninstall', '--dir', join(home, 'target')] })).toEqual({
      ...{ code: 0, stderr: '' },
      stdout: `Removed ${installed()}.\n${stays(settings)}${stays(state)}`,
    })
    expect(existsSync(installed())).toBe(false)
  })

  test('does not remove what a service runs, and says what removes the service', async () => {
    await install()
    const unit = join(home, '.config/systemd/user/zai2api.service')
    mkdirSync(join(unit, '..'), { recursive: true })
    writeFileSync(unit, `ExecStart=${installed()} serve\n`)
    const args = ['--uninstall', '--dir', join(home, 'target')]
    const { code, stderr } = await install({ args })
    expect([code, stderr]).toEqual([
      1,
      `install: a service runs it (${unit}); first: ${installed()} service uninstall\n`,
    ])
    expect(existsSync(installed())).toBe(true)
    writeFileSync(unit, 'ExecStart=/elsewhere/zai2api serve\n')
    expect(await install({ args })).toMatchObject({ code: 0 })
  })

  // OpenSSL 3 checks the signature where minisign is not installed.
  test.each([
    ['minisign', [...coreutils, 'minisign']],
    ['OpenSSL', [...coreutils, 'openssl', 'grep']],
  ])('takes a signature by %s, and refuses one by another key', async (_name, programs) => {
    if (programs.some((name) => Bun.which(name) === null)) return
    expect(await install({ programs })).toMatchObject({ code: 0, stderr: '' })
    rmSync(installed())
    const { code, stderr } = await install({ programs, key: newReleaseKey().publicKey })
    expect(code).toBe(1)
    expect(stderr).toEndWith('install: the signature is not one by the key of zai2api\n')
    expect(existsSync(installed())).toBe(false)
  })

  test('says so where nothing can check a signature', async () => {
    const { code, stdout } = await install({ programs: coreutils })
    expect(code).toBe(0)
    expect(stdout).toContain('the signature is not checked, the checksum is.\n')
  })

  test.each<[string, () => void, string]>([
    [
      'a file that is not the one of the list',
      () => {
        for (const platform of platforms) release.files.set(`zai2api-9.8.7-${platform}.tar.gz`, 'other bytes')
      },
      'is not the file of the list; nothing was installed',
    ],
    ['a list without a signature', () => release.files.delete('SHA256SUMS.minisig'), 'the release is not signed'],
    ['a list that was changed', () => release.files.set('SHA256SUMS', '0\n'), 'the signature is not one by the key'],
  ])('refuses %s', async (_name, spoil, message) => {
    spoil()
    const { code, stderr } = await install()
    expect(code).toBe(1)
    expect(stderr).toContain(message)
    expect(existsSync(installed())).toBe(false)
  })

  test.each<[string[], string]>([
    [['--form', 'x'], 'unknown option --form'],
    [[], 'where are the releases?'],
    [['--uninstall', '--dir', '/nowhere'], 'there is no zai2api in /nowhere'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await install({ args })
    expect(code).toBe(1)
    expect(stderr).toContain(message)
  })

  test.each<[string, (folder: string) => string]>([
    ['a path', (folder) => folder],
    ['an address of files', (folder) => `file://${folder}`],
  ])(
    'takes a release from a folder of this machine, by %s, and needs nothing to download with',
    async (_name, from) => {
      const folder = join(home, 'a release')
      mkdirSync(folder)
      for (const [name, bytes] of release.files) writeFileSync(join(folder, name), bytes)
      const args = ['--from', from(folder), '--dir', join(home, 'target')]
      const programs = coreutils.filter((name) => name !== 'curl')
      expect(await install({ args, programs })).toMatchObject({ code: 0, stderr: '' })
      expect(existsSync(installed())).toBe(true)
      rmSync(join(folder, 'SHA256SUMS'))
      const { code, stderr } = await install({ args, programs })
      expect([code, stderr]).toEqual([1, expect.stringContaining(`install: ${folder}/SHA256SUMS cannot be read\n`)])
    },
  )

  test.each(['--help', '-h'])('%s names every option and does nothing', async (option) => {
    const { code, stdout, stderr } = await install({ args: [option] })
    expect([code, stderr, readdirSync(home)]).toEqual([0, '', []])
    for (const named of ['--from BASE', '--version X.Y.Z', '--dir DIR', '--uninstall', 'ZAI2API_RELEASES'])
      expect(stdout).toContain(named)
  })

  test('takes address, version and folder from the environment', async () => {
    const env = { ZAI2API_RELEASES: server.url, ZAI2API_VERSION: '9.8.7', ZAI2API_DIR: join(home, 'elsewhere') }
    expect(await install({ args: [], env })).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(join(home, 'elsewhere/zai2api'))).toBe(true)
  })

  test('takes the version that is named, from its own folder where the latest has one, and no other', async () => {
    for (const [name, bytes] of [...release.files]) release.files.set(`releases/download/v9.8.7/${name}`, bytes)
    const from = `${server.url}/releases/latest/download`
    const args = (version: string) => ['--from', from, '--version', version, '--dir', join(home, 'target')]
    expect(await install({ args: args('9.8.7') })).toMatchObject({ code: 0, stderr: '' })
    expect(await install({ args: args('1.0.0') })).toMatchObject({ code: 1 })
    const { stderr } = await install({ args: ['--from', server.url, '--version', '1.0.0'] })
    expect(stderr).toBe('install: the release is 9.8.7 and not 1.0.0\n')
  })

  test.each(['dash', 'bash', 'ksh'].filter((shell) => Bun.which(shell) !== null))('runs in %s', async (shell) => {
    expect(await install({ shell })).toMatchObject({ code: 0, stderr: '' })
  })
})
