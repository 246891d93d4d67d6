import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from '../../package.json' with { type: 'json' }
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/ports.ts'

// What `make npm` packs, installed by npm itself into an empty home. `make smoke` does so, since packing takes a minute.
const platform = `linux-${process.arch}`
const isAsked = process.env.BINARY !== undefined && process.platform === 'linux'

describe.skipIf(!isAsked)('the packages of npm (make smoke)', () => {
  const home = mkdtempSync(join(tmpdir(), 'zai2api-npm-install-'))
  const env = { PATH: `${home}/bin:${process.env.PATH}`, HOME: home }
  afterAll(() => rmSync(home, { recursive: true }))

  function run(...command: string[]) {
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: process.cwd(), env })
    return { exitCode, stdout: String(stdout), stderr: exitCode === 0 ? '' : String(stderr) }
  }

  beforeAll(() => {
    expect(run(process.execPath, 'deploy/npm.ts', platform)).toMatchObject({ exitCode: 0, stderr: '' })
  }, 300_000)

  test('are installed without scripts, answer, and are removed again', async () => {
    const packed = readdirSync('dist/npm').map((name) => join('dist/npm', name))
    expect(packed).toHaveLength(2)
    // Without the registry: npm would look there for the packages of other platforms.
    const flags = ['--global', '--prefix', home, '--offline', '--ignore-scripts']
    expect(run('npm', 'install', ...flags, ...packed)).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run('zai2api', 'version').stdout).toBe(`zai2api ${version}\n`)

    const npx = ['npx', '--yes', '--offline', ...packed.flatMap((path) => ['--package', `./${path}`])]
    expect(run(...npx, 'zai2api', 'version')).toMatchObject({ exitCode: 0, stdout: `zai2api ${version}\n` })

    const port = String(await freePort())
    const gateway = Bun.spawn(['zai2api', 'demo', '--port', port], {
      cwd: home,
      env,
      stdout: 'ignore',
      stderr: 'ignore',
    })
    const reply = await eventually(() =>
      fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hello!' }] }),
      }),
    )
    expect(reply.status).toBe(200)
    gateway.kill('SIGTERM')
    expect(await gateway.exited).toBe(0)

    expect(run('npm', 'uninstall', ...flags, 'zai2api', `zai2api-${platform}`)).toMatchObject({ exitCode: 0 })
    expect(existsSync(join(home, 'bin/zai2api'))).toBe(false)
  }, 300_000)
})
