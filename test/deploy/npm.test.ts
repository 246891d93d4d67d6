import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launcherManifest, packageName } from '../../deploy/npm-packages.ts'
import { platforms } from '../../deploy/platforms.ts'
import { version } from '../../package.json' with { type: 'json' }
import { until } from '../support/gateway.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-npm-'))
const node = Bun.which('node') ?? 'node'
const launcher = join(folder, 'node_modules/zai2api/bin.cjs')
afterAll(() => rmSync(folder, { recursive: true }))

/** A launcher in this folder of modules. Gives its path. */
function launcherIn(modules: string, name = 'zai2api', version = '1.2.3'): string {
  const place = join(modules, name)
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version }))
  copyFileSync('deploy/npm-launcher.cjs', join(place, 'bin.cjs'))
  return join(place, 'bin.cjs')
}

/** As npm lays them out: the launcher, and beside it the package of each platform with a script as executable. */
beforeAll(() => {
  launcherIn(join(folder, 'node_modules'))
  platformsIn(join(folder, 'node_modules'))
})

function platformsIn(modules: string, launcherName = 'zai2api', version = '1.2.3'): void {
  for (const platform of platforms) {
    const name = `${launcherName}-${platform.name}`
    const place = join(modules, name)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version }))
    writeFileSync(
      join(place, 'zai2api'),
      '#!/bin/sh\ncase $1 in wait) trap "echo told; exit 7" TERM; echo ready; while :; do sleep 0.05; done ;; die) kill -9 $$ ;; esac\necho "$@"; exit 3\n',
    )
    chmodSync(join(place, 'zai2api'), 0o755)
  }
}

const start = (...args: string[]) => startWith(launcher, ...args)

function startWith(script: string, ...args: string[]) {
  return Bun.spawn([node, script, ...args], { stdout: 'pipe', stderr: 'pipe' })
}

/** The launcher as on a busy machine, where it is interrupted as soon as the executable runs. */
function slowLauncher(): string {
  const pause = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)'
  const text = readFileSync(launcher, 'utf8').replace(/^.*spawn\(path.*$/m, (line) => `${line}\n${pause}`)
  expect(text).toContain(pause)
  const path = join(launcher, '../slow.cjs')
  writeFileSync(path, text)
  return path
}

test.skipIf(process.platform === 'win32')('the launcher passes on arguments and the exit code', async () => {
  const child = start('serve', '--port', '9', 'two words')
  expect([await new Response(child.stdout).text(), await child.exited]).toEqual(['serve --port 9 two words\n', 3])
  expect(await start('die').exited).toBe(128 + 9)
})

test.skipIf(process.platform === 'win32').each([
  ['', () => launcher],
  [', also one that comes at once', slowLauncher],
])('the launcher passes on a signal%s', async (_when, script) => {
  const waiting = startWith(script(), 'wait')
  const said: string[] = []
  void waiting.stdout.pipeTo(new WritableStream({ write: (bytes) => void said.push(new TextDecoder().decode(bytes)) }))
  await until(() => said.join('').includes('ready'), 'the program to wait')
  waiting.kill('SIGTERM')
  expect(await waiting.exited).toBe(7)
  await until(() => said.join('').includes('told'), 'its last word')
})

/** What a launcher says that starts nothing. */
async function complaint(script: string, env: Record<string, string> = {}) {
  const child = Bun.spawn([node, script, 'version'], {
    cwd: join(script, '..'),
    env: { PATH: process.env.PATH, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [said, complained] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, said, complained }
}

describe('a launcher without the package of its platform', () => {
  test('says what to do, and names no package for npm to fetch', async () => {
    const alone = launcherIn(join(folder, 'alone/node_modules'))
    const { code, complained } = await complaint(alone)
    expect(code).toBe(1)
    expect(complained).toMatch(/^zai2api: the package zai2api-\S+ 1\.2\.3 is not installed beside this one\. /)
    expect(complained).toContain('--omit=optional')
    expect(complained).not.toMatch(/npm (i|install)\b/)
  })

  test('takes none of a folder above, of NODE_PATH or of the home of the user', async () => {
    const home = join(folder, 'above')
    platformsIn(join(home, 'node_modules'))
    platformsIn(join(home, '.node_modules'))
    const inside = launcherIn(join(home, 'project/node_modules'))
    const { said, complained } = await complaint(inside, { HOME: home, NODE_PATH: join(home, 'node_modules') })
    expect([said, complained]).toEqual(['', expect.stringContaining('is not installed')])
  })

  test('takes none of another version or name', async () => {
    const modules = join(folder, 'other/node_modules')
    platformsIn(modules, 'zai2api', '6.6.6')
    const { said, complained } = await complaint(launcherIn(modules))
    expect([said, complained]).toEqual([
      '',
      expect.stringMatching(/^zai2api: \S+ holds zai2api-\S+ 6\.6\.6, and this one is 1\.2\.3: install both packages/),
    ])
  })

  test('takes none that lies beside a folder that is not of npm', async () => {
    platformsIn(join(folder, 'downloads'))
    const { said } = await complaint(launcherIn(join(folder, 'downloads')))
    expect(said).toBe('')
  })
})

test.skipIf(process.platform === 'win32').each([
  ['beside it', (modules: string, _inside: string) => modules],
  ['inside of it', (_modules: string, inside: string) => inside],
])('a package with a scope has that of its platform %s', async (where, place) => {
  const modules = join(folder, where, 'node_modules')
  const script = launcherIn(modules, '@acme/zai2api')
  platformsIn(place(modules, join(script, '../node_modules')), '@acme/zai2api')
  expect((await complaint(script)).said).toBe('version\n')
})

test('the package of npm asks for the packages that were packed, in this version, and for no others', () => {
  const manifest = launcherManifest(platforms.filter(({ name }) => name === 'linux-x64'))
  expect(manifest).toMatchObject({ name: packageName, version })
  expect(manifest.optionalDependencies).toEqual({ [`${packageName}-linux-x64`]: version })
  expect(Object.keys(manifest)).not.toContain('scripts')
})
