import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pack } from '../../../deploy/archive.ts'
import { releaseKey } from '../../../deploy/sign.ts'
import { type UpdateOptions, update } from '../../../src/cli/commands/update.ts'
import { readConfigFile } from '../../../src/cli/config-files.ts'
import { signedComment } from '../../../src/cli/update/minisign.ts'
import { isNewer, platformName } from '../../../src/cli/update/release.ts'
import { isForMusl, type Machine } from '../../../src/cli/update/this-machine.ts'
import { fileOfTarGz, fileOfZip } from '../../../src/cli/update/unpack.ts'
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
  /** Those of the executable that is replaced. */
  capabilities?: string
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
    const code = await update(io, options, {
      ...machine,
      platform,
      capabilitiesOf: async () => world.capabilities ?? '',
    })
    return { code, ...said }
  } finally {
    await server.stop()
  }
}

async function versionOf(path: string): Promise<string> {
  return String(Bun.spawnSync(['sh', path, 'version']).stdout)
}

const machine: Machine = {
  platform: 'linux-x64',
  now: () => Date.parse('2026-12-01'),
  versionOf,
  capabilitiesOf: () => Promise.resolve(''),
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

  test('takes its version from the signature and not from the name of a file', async () => {
    const list = (sums: string) => `${'0'.repeat(64)}  zai2api-99.0.0-notes.txt\n${sums}`
    expect((await run({ release: releaseOf('2.0.0', ['linux-x64'], { list }) })).code).toBe(0)
    expect(await versionOf(executable)).toBe('zai2api 2.0.0\n')
  })

  test.each([
    ['2025-10-01', ' It was made on 2025-10-01: if you know of a newer one, the address may hold it back.'],
    ['2026-10-01', ''],
  ])('a newest release of %s', async (date, more) => {
    const release = releaseOf('1.0.0', ['linux-x64'], { comment: `zai2api 1.0.0 ${date}` })
    const said = `zai2api 1.0.0 is up to date; the release is 1.0.0.${more}\n`
    expect(await run({ release })).toEqual({ code: 0, stdout: said })
  })

  test('says what it cannot keep', async () => {
    const { stdout } = await run({ release: releaseOf('2.0.0', ['linux-x64']), capabilities: 'cap_net_raw=ep' })
    expect(stdout).toEndWith(`by: sudo setcap cap_net_raw=ep ${executable}\n`)
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
      'an executable that says nothing',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { script: '' }) }),
      'so the old one stays: it says nothing',
    ],
    [
      'an executable that writes to the terminal what it likes',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { script: 'echo \x1b]0;zai2api\x07' }) }),
      'so the old one stays: it says \\u001b]0',
    ],
    [
      'an executable of another version',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { says: '1.5.0' }) }),
      'the old one stays',
    ],
    [
      'a list whose lines are written in another way',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { list: (sums) => sums.replaceAll('\n', '\r\n') }) }),
      'no archive for linux-x64',
    ],
    [
      'a list with the lines of binary files',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { list: (sums) => sums.replaceAll('  ', ' *') }) }),
      'no archive for linux-x64',
    ],
    [
      'a version that is no number',
      () => ({ release: releaseOf('99999999999999999999.0.0', ['linux-x64']) }),
      'names no version',
    ],
    [
      'a list that is too long',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { list: (sums) => sums.padEnd(70_000, '\n') }) }),
      'is larger than 65536 bytes',
    ],
    [
      'an archive that cannot be unpacked',
      () => ({ release: releaseOf('2.0.0', ['linux-x64'], { archive: Buffer.from('none') }) }),
      'zai2api-2.0.0-linux-x64.tar.gz cannot be unpacked',
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
    [
      'an address with a password that does not answer, without telling the password',
      () => ({ release: releaseOf('2.0.0', ['linux-x64']), from: 'http://ann:secret@127.0.0.1:1/x' }),
      'http://…@127.0.0.1:1/x/SHA256SUMS cannot be reached',
    ],
    ['the source', () => ({ release: releaseOf('2.0.0', ['linux-x64']), executable: undefined }), 'git pull'],
  ])('refuses %s, and changes nothing', async (_name, world, message) => {
    await expect(run(world())).rejects.toThrow(message)
    expect(await versionOf(executable)).toBe('zai2api 1.0.0\n')
    expect(files().filter((name) => name.startsWith('.') || name.endsWith('.old'))).toEqual([])
  })
})

// A package holds no address of releases, and is told what to do all the same.
test.each([
  [
    '/home/ann/.npm/_npx/1f/node_modules/zai2api-linux-x64/zai2api',
    'npm has installed this one; npm install --offline of both packages of a newer release',
  ],
  ['/opt/homebrew/Cellar/zai2api/1.0.0/bin/zai2api', 'Homebrew has installed this one; brew upgrade zai2api'],
  ['C:\\Users\\ann\\scoop\\apps\\zai2api\\current\\zai2api.exe', 'Scoop has installed this one; scoop update zai2api'],
  [
    'C:\\Users\\ann\\AppData\\Local\\Microsoft\\WinGet\\Packages\\zai2api.zai2api\\zai2api.exe',
    'winget has installed this one; winget upgrade --manifest',
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
    await expect(update(io, { check, from: undefined, keyFile: undefined }, machine)).rejects.toThrow(message)
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
  await expect(update(io, options, machine)).rejects.toThrow(message)
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
    expect(signedComment(publicKey, list, signature)).toBe('zai2api 1.0.0')
    expect(signedComment(key, text, given)).toBeUndefined()
  })

  test('the key can be made by openssl', () => {
    const { stdout } = Bun.spawnSync(['openssl', 'genpkey', '-algorithm', 'ed25519'])
    expect(releaseKey(String(stdout)).publicKey).toMatch(/^RW[\w+/]{54}$/)
  })
})

describe.each([
  ['a zip', pack.zip, fileOfZip],
  ['a tar.gz', pack['tar.gz'], fileOfTarGz],
])('of %s of ours', (_name, packed, fileOf) => {
  const entries = [
    { name: 'a/LICENSE', bytes: Buffer.from('MIT\n'.repeat(300)), executable: false },
    { name: 'a/zai2api', bytes: Buffer.alloc(512, 7), executable: true },
  ]
  const archive = packed(entries, new Date(1_760_000_000_000))

  test('each file is read', async () => {
    for (const { name, bytes } of entries) expect(Buffer.from((await fileOf(archive, name, 9000)) ?? [])).toEqual(bytes)
    expect(await fileOf(archive, 'a/none', 9000)).toBeUndefined()
  })

  test.each<[string, () => Uint8Array, number]>([
    ['more than the limit', () => archive, 100],
    ['what is none', () => readFileSync(join(import.meta.dir, 'update.test.ts')), 9000],
    ['half of one', () => archive.subarray(0, archive.length / 2), 9000],
  ])('%s is refused', async (_what, bytes, maxBytes) => {
    const read = async () => fileOf(bytes(), 'a/LICENSE', maxBytes)
    await expect(read()).rejects.toBeInstanceOf(Error)
  })
})

test('an executable for musl is known by the loader it names', () => {
  const path = join(folder, 'file')
  for (const [loader, musl] of [
    ['/lib/ld-musl-x86_64.so.1', true],
    ['/lib64/ld-linux-x86-64.so.2', false],
  ] as const) {
    writeFileSync(path, `\x7fELF${' '.repeat(700)}${loader}\0${' '.repeat(9000)}`)
    expect(isForMusl(path)).toBe(musl)
  }
  expect(isForMusl(join(folder, 'none'))).toBeUndefined()
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
