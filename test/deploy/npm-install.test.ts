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
    // With a registry, which is asked for no package that is not here: anybody may have taken a name there. What is here
    // wins, but npm looks.
    const asked: string[] = []
    const registry = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        asked.push(new URL(request.url).pathname)
        return new Response('{}', { status: 404 })
      },
    })
    const flags = ['--global', '--prefix', home, '--ignore-scripts']
    const online = [`--registry=${registry.url}`, '--no-audit', '--no-fund', '--no-update-notifier']
    const installing = Bun.spawn(['npm', 'install', ...flags, ...online, ...packed], { env, stderr: 'ignore' })
    expect([await installing.exited, asked.filter((path) => path !== `/zai2api-${platform}`)]).toEqual([0, []])
    await registry.stop()
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
