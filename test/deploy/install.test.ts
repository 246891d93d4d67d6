import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'

import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import { newReleaseKey, releaseOf, serveFiles } from '../support/release.ts'

const original = join(import.meta.dir, '../../deploy/install.sh')
const scripts = mkdtempSync(join(tmpdir(), 'zai2api-scripts-'))
afterAll(() => rmSync(scripts, { recursive: true }))
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
  /** Default: the script as it is. */
  script?: string
  args?: string[]
  env?: Record<string, string>
  key?: string
  /** The only programs on the PATH. */
  programs?: string[]
  shell?: string
}

async function install(options: Options = {}) {
  const child = start(options)
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

function start({ args, env, key = release.publicKey, programs, shell = 'sh', script = original }: Options) {
  let path = process.env.PATH ?? ''
  if (programs !== undefined) {
    path = mkdtempSync(join(home, 'bin-'))
    for (const name of programs) symlinkSync(Bun.which(name) ?? name, join(path, name))
  }
  return Bun.spawn([shell, script, ...(args ?? ['--from', server.url, '--dir', join(home, 'target')])], {
    cwd: home,
    env: { PATH: path, HOME: home, TMPDIR: home, ZAI2API_RELEASE_KEY: key, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

/** The script with other words, such as shorter waits. It lies where nothing else is looked at. */
function scriptWith(...changes: [from: string, to: string][]): string {
  let text = readFileSync(original, 'utf8')
  for (const [from, to] of changes) {
    expect([from, text.includes(from)]).toEqual([from, true])
    text = text.replaceAll(from, to)
  }
  const path = join(scripts, 'install.sh')
  writeFileSync(path, text)
  return path
}

/** A release whose executable is this script. */
function releaseWith(script: string, version = '9.8.7'): void {
  release = releaseOf(version, platforms, { script })
  serve()
}

function serve(): void {
  void server.stop()
  server = serveFiles(release.files)
}

const coreutils =
  'sh id uname curl sha256sum cut sed mktemp rm tar gzip mkdir cp chmod mv tail grep cat sleep sort head'.split(' ')
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
    ['OpenSSL', [...coreutils, 'openssl']],
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

  test('says what it replaces, and goes back to an older version only if that is named', async () => {
    expect(await install()).toMatchObject({ code: 0 })
    releaseWith('#!/bin/sh\necho zai2api 9.10.0\n', '9.10.0')
    expect((await install()).stdout).toContain(`Installed zai2api 9.10.0 as ${installed()}, in place of 9.8.7.\n`)
    releaseWith('#!/bin/sh\necho zai2api 9.9.0\n', '9.9.0')
    const { code, stderr } = await install()
    expect([code, stderr]).toEqual([
      1,
      `install: ${installed()} is 9.10.0 already, and the release is 9.9.0; --version 9.9.0 takes it all the same\n`,
    ])
    const args = ['--from', server.url, '--dir', join(home, 'target'), '--version', '9.9.0']
    expect(await install({ args })).toMatchObject({ code: 0 })
  })

  test.each<[string, string, string]>([
    ['fails', 'echo zai2api 9.8.7; exit 3', 'the executable does not run here'],
    ['does not end', 'exec sleep 1000', 'the executable does not run here'],
    ['prints without an end', 'while :; do echo zai2api 9.8.7; done', 'the executable does not run here'],
    ['says nothing', 'exit 0', 'the executable does not say that it is 9.8.7'],
    ['is of another version', 'echo zai2api 1.0.0', 'the executable does not say that it is 9.8.7'],
  ])('keeps the old executable if the new one %s, and leaves nothing', async (_name, text, message) => {
    mkdirSync(join(home, 'target'))
    writeFileSync(installed(), 'old')
    releaseWith(`#!/bin/sh\n${text}\n`)
    const { code, stderr } = await install({ script: scriptWith(['version_limit=15', 'version_limit=1']) })
    expect([code, stderr]).toEqual([1, `install: ${message}; nothing was installed\n`])
    expect([readFileSync(installed(), 'utf8'), readdirSync(join(home, 'target')), readdirSync(home)]).toEqual([
      'old',
      ['zai2api'],
      ['target'],
    ])
  })

  test('leaves nothing if it is interrupted', async () => {
    releaseWith('#!/bin/sh\necho run > "$HOME/run"; exec sleep 1000\n')
    const child = start({})
    await eventually(() => expect(existsSync(join(home, 'run'))).toBe(true))
    child.kill('SIGTERM')
    expect(await child.exited).toBe(1)
    expect([readdirSync(home).sort(), readdirSync(join(home, 'target'))]).toEqual([['run', 'target'], []])
  })

  test.each(['curl', 'wget'].filter((name) => Bun.which(name) !== null))(
    '%s gives up a server that stops',
    async (program) => {
      const silent = createServer((socket) => void socket.on('error', () => {}))
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
      const address = silent.address()
      const args = ['--from', `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`]
      const programs = [...coreutils.filter((name) => name !== 'curl'), program]
      const { stderr } = await install({ args, programs, script: scriptWith(['stall_limit=30', 'stall_limit=1']) })
      expect(stderr).toContain('/SHA256SUMS cannot be read\n')
      silent.close()
    },
  )

  test.each(['curl', 'wget'].filter((name) => Bun.which(name) !== null))(
    '%s takes no list without an end',
    async (program) => {
      release.files.set('SHA256SUMS', new Uint8Array(50_000_000))
      const programs = [...coreutils.filter((name) => name !== 'curl'), program]
      const { code, stderr } = await install({ programs })
      expect([code, stderr]).toEqual([1, expect.stringContaining('/SHA256SUMS cannot be read\n')])
      expect(readdirSync(home).filter((name) => !name.startsWith('bin-'))).toEqual([])
    },
  )

  test('tells no password of an address', async () => {
    const { code, stdout, stderr } = await install({ args: ['--from', 'http://ann:secret@127.0.0.1:1/x'] })
    expect([code, stderr]).toEqual([1, expect.stringContaining('install: http://...@127.0.0.1:1/x/SHA256SUMS cannot')])
    expect(stdout + stderr).not.toContain('secret')
  })

  test('follows no link that lies in wait, and puts nothing into a folder of that name', async () => {
    mkdirSync(join(home, 'target'))
    const victim = join(home, 'victim')
    writeFileSync(victim, 'mine')
    symlinkSync(victim, `${installed()}.new`)
    expect(await install()).toMatchObject({ code: 0 })
    expect(readFileSync(victim, 'utf8')).toBe('mine')
    rmSync(installed())
    mkdirSync(installed())
    expect((await install()).stderr).toBe(`install: ${installed()} is a folder; --dir names another place\n`)
    expect(readdirSync(installed())).toEqual([])
  })

  test('makes no folder that others may write to', async () => {
    const child = Bun.spawn(
      ['sh', '-c', `umask 000; exec sh ${original} --from ${server.url} --dir ${join(home, 'a/b')}`],
      { env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, ZAI2API_RELEASE_KEY: release.publicKey } },
    )
    expect(await child.exited).toBe(0)
    expect(['a', 'a/b', 'a/b/zai2api'].map((path) => statSync(join(home, path)).mode & 0o777)).toEqual([
      0o755, 0o755, 0o755,
    ])
  })

  test.each<[string, () => string, string]>([
    ['with a slash behind it', () => `${join(home, 'target')}/`, 'target'],
    ['from here', () => './target', 'target'],
    ['with a percent sign, which a unit doubles', () => join(home, '50%'), '50%%'],
  ])('knows the service of a folder named %s', async (_name, dir, inUnit) => {
    expect(await install({ args: ['--from', server.url, '--dir', dir()] })).toMatchObject({ code: 0 })
    const unit = join(home, '.config/systemd/user/zai2api.service')
    mkdirSync(join(unit, '..'), { recursive: true })
    writeFileSync(unit, `ExecStart=${join(home, inUnit)}/zai2api serve\n`)
    expect((await install({ args: ['--uninstall', '--dir', dir()] })).stderr).toContain('a service runs it')
  })

  test('--require-signature installs nothing that cannot be checked', async () => {
    const dir = join(home, 'target')
    const args = ['--from', server.url, '--dir', dir, '--require-signature']
    expect((await install({ args, programs: coreutils })).stderr).toBe(
      'install: neither minisign nor OpenSSL 3 is here to check the signature; nothing was installed\n',
    )
    const env = { ZAI2API_REQUIRE_SIGNATURE: '1' }
    expect((await install({ env, key: '' })).stderr).toBe(
      'install: this script holds no key to check the signature with; nothing was installed\n',
    )
    expect(existsSync(dir)).toBe(false)
    expect(await install({ args })).toMatchObject({ code: 0 })
  })

  test('does nothing if its own download breaks off', async () => {
    const lines = readFileSync(original, 'utf8').split(/(?<=\n)/)
    const first = lines.indexOf('{\n')
    expect(first).toBeGreaterThan(0)
    const path = join(scripts, 'cut.sh')
    for (let end = first + 1; end < lines.length; end += 9) {
      writeFileSync(path, lines.slice(0, end).join(''))
      expect([end, (await install({ script: path })).code]).not.toEqual([end, 0])
    }
    expect(readdirSync(home)).toEqual([])
  })

  // A Debian may have the package musl, whose executables lack a C++ library of musl.
  test.skipIf(!overlay('/usr/lib'))('takes the build for glibc where the shell is one', async () => {
    const extra = join(home, 'lib')
    mkdirSync(extra)
    writeFileSync(join(extra, `ld-musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`), '')
    const command = `mount -t overlay -o lowerdir=${extra}:/usr/lib none /usr/lib && ls /lib/ld-musl-* && exec sh ${original} --from ${server.url} --dir ${join(home, 'target')}`
    const child = Bun.spawn(['unshare', '-m', 'sh', '-c', command], {
      env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, ZAI2API_RELEASE_KEY: release.publicKey },
      stdout: 'pipe',
    })
    const stdout = await new Response(child.stdout).text()
    expect(stdout).toContain('/lib/ld-musl-')
    expect(stdout).toMatch(/Downloading zai2api-9\.8\.7-linux-(x64|arm64)\.tar\.gz/)
  })
})

/** Whether this process may lay a folder over another one. */
function overlay(path: string): boolean {
  if (process.platform !== 'linux' || Bun.which('unshare') === null) return false
  const command = `mount -t overlay -o lowerdir=/tmp:${path} none ${path}`
  return Bun.spawnSync(['unshare', '-m', 'sh', '-c', command], { stderr: 'ignore' }).exitCode === 0
}
