import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debPackage, prerm } from '../../deploy/deb.ts'
import { manifests } from '../../deploy/manifests.ts'
import { platforms } from '../../deploy/platforms.ts'
import { systemdUnit } from '../../src/cli/service/systemd.ts'

describe('the package for Debian', () => {
  const madeAt = new Date('2026-11-30T10:00:00Z')
  const files = [
    { name: 'usr/bin/zai2api', bytes: Buffer.from('#!/bin/sh\necho hello\n'), executable: true },
    { name: 'usr/share/doc/zai2api/copyright', bytes: Buffer.from('MIT\n'), executable: false },
  ]
  const made = () => debPackage(files, { version: '1.2.3', architecture: 'amd64', madeAt })

  test('is the same for the same files', () => expect(made()).toEqual(made()))

  test.skipIf(Bun.which('dpkg-deb') === null)('is understood and unpacked by dpkg', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-deb-'))
    const path = join(folder, 'zai2api.deb')
    writeFileSync(path, made())
    const info = Bun.spawnSync(['dpkg-deb', '--field', path, 'Package', 'Version', 'Architecture', 'Installed-Size'])
    expect(String(info.stdout)).toBe('Package: zai2api\nVersion: 1.2.3\nArchitecture: amd64\nInstalled-Size: 1\n')
    expect(Bun.spawnSync(['dpkg-deb', '--extract', path, join(folder, 'root')]).exitCode).toBe(0)
    const executable = join(folder, 'root/usr/bin/zai2api')
    expect([readFileSync(executable, 'utf8'), statSync(executable).mode & 0o777]).toEqual([
      '#!/bin/sh\necho hello\n',
      0o755,
    ])
    rmSync(folder, { recursive: true })
  })

  const isRoot = process.getuid?.() === 0
  test.skipIf(Bun.which('dpkg') === null || !isRoot)(
    'is installed into an empty system by dpkg, and removed again',
    () => {
      const root = mkdtempSync(join(tmpdir(), 'zai2api-root-'))
      mkdirSync(join(root, 'var/lib/dpkg/updates'), { recursive: true })
      mkdirSync(join(root, 'var/lib/dpkg/info'))
      writeFileSync(join(root, 'var/lib/dpkg/status'), '')
      const path = join(root, 'zai2api.deb')
      writeFileSync(path, made())
      const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
      const dpkg = (...args: string[]) => {
        const { exitCode, stderr } = Bun.spawnSync(
          ['dpkg', `--root=${root}`, '--force-depends,architecture,script-chrootless', ...args],
          { env },
        )
        return { exitCode, stderr: exitCode === 0 ? '' : String(stderr) }
      }
      const done = { exitCode: 0, stderr: '' }
      expect(dpkg('--install', path)).toEqual(done)
      expect(String(Bun.spawnSync([join(root, 'usr/bin/zai2api')]).stdout)).toBe('hello\n')
      expect(dpkg('--purge', 'zai2api')).toEqual(done)
      expect(existsSync(join(root, 'usr'))).toBe(false)
      rmSync(root, { recursive: true })
    },
  )

  describe.skipIf(process.platform === 'win32')('before it is removed', () => {
    const root = mkdtempSync(join(tmpdir(), 'zai2api-prerm-'))
    afterAll(() => rmSync(root, { recursive: true }))
    const unit = join(root, 'etc/systemd/system/zai2api.service')
    const script = join(root, 'prerm')
    /** Runs the script on a machine whose systemctl fails in these commands. */
    const removed = (reason: string, program: string, failing = 'is-active', isRunning = true) => {
      for (const folder of ['etc/systemd/system/multi-user.target.wants', 'run/systemd/system', 'bin'])
        mkdirSync(join(root, folder), { recursive: true })
      if (!isRunning) rmSync(join(root, 'run'), { recursive: true })
      writeFileSync(unit, systemdUnit('system', program, '/etc/zai2api/zai2api.toml'))
      writeFileSync(script, prerm)
      writeFileSync(join(root, 'ran'), '')
      writeFileSync(
        join(root, 'bin/systemctl'),
        `#!/bin/sh\necho "$*" >> ${root}/ran\ncase " ${failing} " in *" $1 "*) exit 3 ;; esac\n`,
        { mode: 0o755 },
      )
      const env = { PATH: `${join(root, 'bin')}:${process.env.PATH}`, DPKG_ROOT: root }
      const { exitCode, stderr, stdout } = Bun.spawnSync(['/bin/sh', script, reason], { env })
      const ran = readFileSync(join(root, 'ran'), 'utf8').trim().split('\n')
      return { exitCode, said: `${stdout}${stderr}`, ran, hasUnit: existsSync(unit) }
    }

    test('its service is stopped and taken away', () => {
      expect(removed('remove', '/usr/bin/zai2api')).toEqual({
        exitCode: 0,
        said: 'The service is removed. What stays: /etc/zai2api, /var/lib/zai2api, the user zai2api.\n',
        ran: ['disable --now zai2api.service', 'is-active --quiet zai2api.service', 'daemon-reload'],
        hasUnit: false,
      })
    })

    test('nothing is removed while its service runs', () => {
      expect(removed('remove', '/usr/bin/zai2api', 'disable')).toMatchObject({
        exitCode: 1,
        said: 'The service still runs: systemctl stop zai2api.service\n',
        hasUnit: true,
      })
    })

    test('a service stays that is only upgraded, or runs another file', () => {
      expect(removed('upgrade', '/usr/bin/zai2api')).toMatchObject({ exitCode: 0, said: '', ran: [''], hasUnit: true })
      expect(removed('remove', '/usr/local/bin/zai2api')).toMatchObject({ exitCode: 0, ran: [''], hasUnit: true })
    })

    test('systemd need not run', () => {
      expect(removed('remove', '/usr/bin/zai2api', '', false)).toMatchObject({ exitCode: 0, ran: [''], hasUnit: false })
    })
  })
})

describe('the manifests', () => {
  const name = (platform: string) => `zai2api-1.2.3-${platform}.${platform.startsWith('windows') ? 'zip' : 'tar.gz'}`
  const sums = new Map(platforms.map(({ name: platform }, at) => [name(platform), String(at).repeat(64)]))
  const facts = { version: '1.2.3', base: 'https://downloads.example/zai2api', sums, date: '2026-11-30' }
  const made = manifests(facts)

  test('Homebrew: each processor has its archive, and the formula is Ruby', () => {
    const text = made['zai2api.rb'] ?? ''
    for (const platform of ['macos-x64', 'macos-arm64', 'linux-x64', 'linux-arm64'])
      expect(text).toContain(`url "${facts.base}/${name(platform)}"\n      sha256 "${sums.get(name(platform))}"`)
    if (Bun.which('ruby') !== null) expect(Bun.spawnSync(['ruby', '-c', '-e', text]).exitCode).toBe(0)
  })

  test('Scoop: JSON with both processors', () => {
    expect(JSON.parse(made['zai2api.json'] ?? '')).toMatchObject({
      version: '1.2.3',
      architecture: {
        '64bit': { url: `${facts.base}/${name('windows-x64')}`, hash: sums.get(name('windows-x64')) },
        arm64: { url: `${facts.base}/${name('windows-arm64')}` },
      },
    })
  })

  test('winget: three files of YAML about the same version', () => {
    const files = Object.entries(made).filter(([file]) => file.endsWith('.yaml'))
    expect(files.map(([, text]) => Reflect.get(Object(Bun.YAML.parse(text)), 'ManifestType'))).toEqual([
      'version',
      'installer',
      'defaultLocale',
    ])
    for (const [, text] of files)
      expect(Bun.YAML.parse(text)).toMatchObject({ PackageIdentifier: 'zai2api.zai2api', PackageVersion: '1.2.3' })
    expect(Bun.YAML.parse(made['zai2api.zai2api.installer.yaml'] ?? '')).toMatchObject({
      Installers: [
        { Architecture: 'x64', InstallerSha256: sums.get(name('windows-x64'))?.toUpperCase() },
        { Architecture: 'arm64', NestedInstallerFiles: [{ PortableCommandAlias: 'zai2api' }] },
      ],
    })
  })

  test('name the archives of this version, which stay, and not those of the latest one', () => {
    const latest = { ...facts, base: 'https://code.example/a/zai2api/releases/latest/download' }
    const texts = Object.values(manifests(latest)).join('\n')
    expect(texts).not.toContain('/latest/')
    expect(texts.match(/https:[^"\s]+\/zai2api-1.2.3-windows-x64.zip/g)).toEqual([
      'https://code.example/a/zai2api/releases/download/v1.2.3/zai2api-1.2.3-windows-x64.zip',
      'https://code.example/a/zai2api/releases/download/v1.2.3/zai2api-1.2.3-windows-x64.zip',
    ])
    expect(texts).toContain('homepage "https://code.example/a/zai2api"')
  })

  test('are not made of a release that lacks an archive', () => {
    expect(() => manifests({ ...facts, sums: new Map() })).toThrow('There is no zai2api-1.2.3-macos-arm64.tar.gz')
  })
})
