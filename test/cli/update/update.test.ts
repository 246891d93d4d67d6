import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pack } from '../../../deploy/archive.ts'
import { releaseKey } from '../../../deploy/sign.ts'
import { type UpdateOptions, update } from '../../../src/cli/commands/update.ts'
import { readConfigFile } from '../../../src/cli/config-files.ts'
import { isSignedBy } from '../../../src/cli/update/minisign.ts'
import { isNewer, platformName } from '../../../src/cli/update/release.ts'
import { unzip } from '../../../src/cli/update/zip.ts'
import { newReleaseKey, type ReleaseFiles, releaseOf, serveFiles } from '../../support/release.ts'

let folder = ''
let executable = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zai2api-update-'))
  executable = join(folder, 'zai2api')
  writeFileSync(executable, '#!/bin/sh\necho "zai2api 1.0.0"\n')
  chmodSync(executable, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

interface World {
  release: ReleaseFiles
  check?: boolean
  platform?: string
  key?: string
  executable?: string | undefined
  /** Where the release is. Default: a server. */
  from?: string
}

async function run({ release, check = false, platform = 'linux-x64', key = release.publicKey, ...world }: World) {
  const server = serveFiles(release.files)
  writeFileSync(join(folder, 'key.pub'), `untrusted comment: a key\n${key}\n`)
  const said = { stdout: '' }
  const io = {
    ...{ env: {}, cwd: folder, readFile: readConfigFile, version: '1.0.0', stderr() {} },
    stdout(text: string) {
      said.stdout += text
    },
    ...('executable' in world ? { executable: world.executable ?? '' } : { executable }),
  }
  if (io.executable === '') Reflect.deleteProperty(io, 'executable')
  try {
    const options = { check, from: world.from ?? `${server.url}/`, keyFile: join(folder, 'key.pub') }
    const code = await update(io, options, { download: fetch, platform, versionOf })
    return { code, ...said }
  } finally {
    await server.stop()
  }
}

async function versionOf(path: string): Promise<string> {
  return String(Bun.spawnSync(['sh', path, 'version']).stdout)
}

const files = () => readdirSync(folder).sort()

describe('update', () => {
  test('replaces the executable by a newer one, and leaves nothing beside it', async () => {
    const { code, stdout } = await run({ release: releaseOf('1.10.0', ['linux-x64', 'windows-x64']) })
    expect([code, await versionOf(executable)]).toEqual([0, 'zai2api 1.10.0\n'])
    expect(stdout).toContain(`${executable} is zai2api 1.10.0 now.`)
    expect(files()).toEqual(['key.pub', 'zai2api'])
  })

  test('reads the archive of Windows, too', async () => {
    expect((await run({ release: releaseOf('2.0.0', ['windows-x64']), platform: 'windows-x64' })).code).toBe(0)
    expect(await versionOf(executable)).toBe('zai2api 2.0.0\n')
  })

  test.each<[string, (path: string) => string]>([
    ['a path', (path) => path],
    ['a path from here', () => 'a release'],
    ['an address', (path) => `${pathToFileURL(path)}/`],
  ])('reads a release from a folder of this machine, named by %s', async (_name, from) => {
    const release = releaseOf('2.0.0', ['linux-x64'])
    const there = join(folder, 'a release')
    mkdirSync(there)
    for (const [name, bytes] of release.files) writeFileSync(join(there, name), bytes)
    expect((await run({ release, from: from(there) })).code).toBe(0)
    expect(await versionOf(executable)).toBe('zai2api 2.0.0\n')
  })

  test('--check changes nothing, and tells by its exit code', async () => {
    expect(await run({ release: releaseOf('2.0.0', ['linux-x64']), check: true })).toEqual({
      code: 1,
      stdout: 'zai2api 2.0.0 is out; this is 1.0.0. zai2api update takes it.\n',
    })
    expect(await run({ release: releaseOf('1.0.0', ['linux-x64']), check: true })).toMatchObject({ code: 0 })
    expect(await versionOf(executable)).toBe('zai2api 1.0.0\n')
  })

  test('never goes back to an older release', async () => {
    expect((await run({ release: releaseOf('0.9.9', ['linux-x64']) })).code).toBe(0)
    expect(await versionOf(executable)).toBe('zai2api 1.0.0\n')
  })

  test.each<[string, () => World, string]>([
    [
      'another key',
      () => ({ release: releaseOf('2.0.0', ['linux-x64']), key: newReleaseKey().publicKey }),
      'is not signed by',
    ],
    [
      'other bytes than those of the list',
      () => {
        const release = releaseOf('2.0.0', ['linux-x64'])
        release.files.set('zai2api-2.0.0-linux-x64.tar.gz', 'other')
        return { release }
      },
      'is not the file of the signed list',
    ],
    [
      'a release without this platform',
      () => ({ release: releaseOf('2.0.0', ['macos-x64']) }),
      'no archive for linux-x64',
    ],
    [
      'an executable of another version',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], '1.5.0') }),
      'the old one stays',
    ],
    ['an empty server', () => ({ release: { files: new Map(), publicKey: '' } }), 'answers 404'],
    [
      'a folder that is not there',
      () => ({ release: releaseOf('2.0.0', ['linux-x64']), from: '/nowhere' }),
      'file:///nowhere/SHA256SUMS cannot be read',
    ],
    [
      'an address of another kind',
      () => ({ release: releaseOf('2.0.0', ['linux-x64']), from: 'ftp://example.com/x' }),
      'ftp://example.com/x is no address of releases: an https:// address or a folder is expected',
    ],
    ['the source', () => ({ release: releaseOf('2.0.0', ['linux-x64']), executable: undefined }), 'git pull'],
  ])('refuses %s, and changes nothing', async (_name, world, message) => {
    await expect(run(world())).rejects.toThrow(message)
    expect(await versionOf(executable)).toBe('zai2api 1.0.0\n')
    expect(existsSync(`${executable}.new`) || existsSync(`${executable}.old`)).toBe(false)
  })
})

const updating = { download: () => Promise.reject(new Error('asked')), platform: 'linux-x64', versionOf }

// A package holds no address of releases, and is told what to do all the same.
test.each([
  ['/home/ann/.npm/_npx/1f/node_modules/zai2api-linux-x64/zai2api', 'npx has installed this one; npx zai2api@latest'],
  ['/usr/lib/node_modules/zai2api-linux-x64/zai2api', 'npm has installed this one; npm install -g zai2api@latest'],
  ['/opt/homebrew/Cellar/zai2api/1.0.0/bin/zai2api', 'Homebrew has installed this one; brew upgrade zai2api'],
  ['C:\\Users\\ann\\scoop\\apps\\zai2api\\current\\zai2api.exe', 'Scoop has installed this one; scoop update zai2api'],
  [
    'C:\\Users\\ann\\AppData\\Local\\Microsoft\\WinGet\\Packages\\zai2api.zai2api\\zai2api.exe',
    'winget has installed this one; winget upgrade zai2api.zai2api',
  ],
  ['/usr/bin/zai2api', 'the package manager has installed this one'],
])('%s is left to what has installed it', async (path, message) => {
  const io = {
    env: {},
    cwd: folder,
    readFile: readConfigFile,
    version: '1.0.0',
    executable: path,
    stdout() {},
    stderr() {},
  }
  for (const check of [true, false])
    await expect(update(io, { check, from: undefined, keyFile: undefined }, updating)).rejects.toThrow(message)
})

test.each<[Partial<UpdateOptions>, string]>([
  [{}, 'this build does not say where its releases are; name an address or a folder with --from'],
  [
    { from: 'https://releases.example' },
    'this build holds no key to check signatures with; name the file with the public key, zai2api.pub beside the release, with --release-key',
  ],
  [{ from: 'https://releases.example', keyFile: 'none.pub' }, 'none.pub, which --release-key names, does not exist'],
])('a build of one’s own is told what it lacks: %j', async (given, message) => {
  const io = { env: {}, cwd: folder, readFile: readConfigFile, version: '1.0.0', executable, stdout() {}, stderr() {} }
  const options = { check: false, from: undefined, keyFile: undefined, ...given }
  await expect(update(io, options, updating)).rejects.toThrow(message)
})

describe('a signature', () => {
  const message = Buffer.from('a list of checksums\n')
  const { files: made, publicKey } = releaseOf('1.0.0', ['linux-x64'])
  const list = Buffer.from(String(made.get('SHA256SUMS')))
  const signature = String(made.get('SHA256SUMS.minisig'))

  test.skipIf(Bun.which('minisign') === null)('of ours is taken by minisign', () => {
    writeFileSync(join(folder, 'list'), list)
    writeFileSync(join(folder, 'list.minisig'), signature)
    const { exitCode, stdout } = Bun.spawnSync(['minisign', '-Vm', join(folder, 'list'), '-P', publicKey])
    expect([exitCode, String(stdout)]).toEqual([0, expect.stringContaining('zai2api 1.0.0')])
  })

  test.each<[string, string, Uint8Array, string]>([
    ['of another text', publicKey, message, signature],
    ['with another comment', publicKey, list, signature.replace('zai2api 1.0.0', 'zai2api 9.0.0')],
    ['that is cut', publicKey, list, signature.slice(0, 90)],
    ['of nobody', 'xxxx', list, signature],
    ['that is none', publicKey, list, ''],
  ])('%s is refused', (_name, key, text, given) => {
    expect(isSignedBy(publicKey, list, signature)).toBe(true)
    expect(isSignedBy(key, text, given)).toBe(false)
  })

  test('the key can be made by openssl', () => {
    const { stdout } = Bun.spawnSync(['openssl', 'genpkey', '-algorithm', 'ed25519'])
    expect(releaseKey(String(stdout)).publicKey).toMatch(/^RW[\w+/]{54}$/)
  })
})

test('a zip of ours is read', () => {
  const entries = [
    { name: 'a/LICENSE', bytes: Buffer.from('MIT\n'.repeat(300)), executable: false },
    { name: 'a/zai2api.exe', bytes: Buffer.alloc(512, 7), executable: true },
  ]
  const read = unzip(pack.zip(entries, new Date(1_760_000_000_000)))
  expect([...read].map(([name, bytes]) => [name, Buffer.from(bytes)])).toEqual(
    entries.map(({ name, bytes }) => [name, bytes]),
  )
  expect(() => unzip(readFileSync(join(import.meta.dir, 'update.test.ts')))).toThrow(RangeError)
})

test.each<[string, string, boolean, string]>([
  ['linux', 'x64', false, 'linux-x64'],
  ['linux', 'arm64', true, 'linux-arm64-musl'],
  ['darwin', 'arm64', false, 'macos-arm64'],
  ['win32', 'x64', false, 'windows-x64'],
])('%s on %s is called %s', (platform, arch, musl, name) => expect(platformName(platform, arch, musl)).toBe(name))

test('versions are compared by their numbers', () => {
  expect([isNewer('0.10.0', '0.9.1'), isNewer('1.0.0', '1.0.0'), isNewer('0.1.0', '0.2.0')]).toEqual([
    true,
    false,
    false,
  ])
})
