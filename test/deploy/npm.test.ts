import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { platforms } from '../../deploy/platforms.ts'
import { until } from '../support/gateway.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-npm-'))
const node = Bun.which('node') ?? 'node'
const launcher = join(folder, 'node_modules/zai2api/bin.cjs')
afterAll(() => rmSync(folder, { recursive: true }))

/** As npm lays them out: the launcher, and beside it the package of each platform with a script as executable. */
beforeAll(() => {
  mkdirSync(join(launcher, '..'), { recursive: true })
  copyFileSync('deploy/npm-launcher.cjs', launcher)
  for (const { name } of platforms) {
    const place = join(folder, 'node_modules', `zai2api-${name}`)
    mkdirSync(place)
    writeFileSync(join(place, 'package.json'), '{}')
    writeFileSync(
      join(place, 'zai2api'),
      '#!/bin/sh\ncase $1 in wait) trap "echo told; exit 7" TERM; echo ready; while :; do sleep 0.05; done ;; die) kill -9 $$ ;; esac\necho "$@"; exit 3\n',
    )
    chmodSync(join(place, 'zai2api'), 0o755)
  }
})

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

test('the launcher says what to do where the package of the platform is missing', async () => {
  const alone = join(folder, 'alone.cjs')
  copyFileSync('deploy/npm-launcher.cjs', alone)
  const child = Bun.spawn([node, alone, 'version'], { cwd: tmpdir(), stdout: 'pipe', stderr: 'pipe' })
  for (const { name } of platforms)
    rmSync(join(folder, 'node_modules', `zai2api-${name}`), { recursive: true, force: true })
  expect(await child.exited).toBe(1)
  expect(await new Response(child.stderr).text()).toContain('--include=optional')
})
