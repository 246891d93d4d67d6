import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { systemClock } from '../../../src/async/system-clock.ts'
import { ensureSecret } from '../../../src/cli/gateway-secret.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { folder, home, installFakeClients, main, removeFakeClients, run, type Said, said } from './launching.ts'

beforeAll(installFakeClients)
afterAll(removeFakeClients)

describe('a gateway that already runs', () => {
  const key = 'sk-of-the-gateway'
  const state = join(folder, 'state')
  let gateway: RunningGateway
  let foreign: RunningGateway
  beforeAll(() => {
    const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
    const access = { openaiKey: key, anthropicKey: key }
    gateway = startGateway([upstream], { access, proofSecret: ensureSecret(join(state, 'zai2api')) })
    foreign = startGateway([upstream], { access, proofSecret: ensureSecret(join(folder, 'elsewhere')) })
  })
  afterAll(() => Promise.all([gateway.stop(), foreign.stop()]))

  test('is used, with the key of the configuration', async () => {
    const env = { AUTH_TOKEN: key, XDG_STATE_HOME: state }
    const { stdout, stderr } = await run(['--port', new URL(gateway.url).port, 'claude'], env)
    expect(stderr).toBe(`zai2api: using the gateway that runs at ${gateway.url}\n`)
    const said: Said = JSON.parse(stdout)
    expect(said.env).toMatchObject({ ANTHROPIC_BASE_URL: gateway.url, ANTHROPIC_AUTH_TOKEN: key })
    expect(said.status).toBe(200)
  })

  test('is named as the one whose key for Z.AI counts, if this command has one, too', async () => {
    const port = new URL(gateway.url).port
    const env = { AUTH_TOKEN: key, XDG_STATE_HOME: state, ZAI_API_KEY: 'good.key' }
    const { stderr } = await run(['--port', port, 'claude'], env)
    expect(stderr).toBe(
      `zai2api: using the gateway that runs at ${gateway.url}, with its own upstreams and not with ZAI_API_KEY of this command, which zai2api --port 0 claude uses\n`,
    )
  })

  test('that needs another key is reported on one line', async () => {
    expect(await run(['--port', new URL(gateway.url).port, 'claude'], { XDG_STATE_HOME: state })).toEqual({
      code: 2,
      stdout: '',
      stderr: `zai2api: using the gateway that runs at ${gateway.url}\nzai2api: the gateway at ${gateway.url} does not accept the key of this configuration; set its AUTH_TOKEN here\n`,
    })
  })

  test.each([
    ['of somebody else', () => foreign, { XDG_STATE_HOME: state }],
    ['where there is no secret to know it by', () => gateway, {}],
  ])('%s gets no key', async (_name, other, env) => {
    const port = new URL(other().url).port
    const { stdout, stderr } = await run(['--port', port, 'claude'], { AUTH_TOKEN: key, ...env })
    expect(stderr).toBe(
      `zai2api: what listens at ${other().url} does not prove to be your gateway; starting one for this run\n`,
    )
    const { env: given, status }: Said = JSON.parse(stdout)
    expect([given.ANTHROPIC_BASE_URL === other().url, given.ANTHROPIC_AUTH_TOKEN === key, status]).toEqual([
      ...[false, false, 200],
    ])
  })

  test('is recognised without setup if the same user has started it', async () => {
    const own = { HOME: join(folder, 'own'), UPSTREAMS: 'demo', PATH: join(folder, 'bin'), AUTH_TOKEN: key }
    const serving = Bun.spawn([process.execPath, '--no-env-file', main, '--port', '0'], {
      cwd: home,
      env: own,
      stdout: 'pipe',
      stderr: 'ignore',
    })
    let ready = ''
    for await (const piece of serving.stdout) {
      ready += new TextDecoder().decode(piece)
      if (ready.includes('listening')) break
    }
    const url = /http:\S+\d/.exec(ready)?.[0] ?? ''
    const { stdout, stderr } = await run(['--port', new URL(url).port, 'claude'], own)
    serving.kill()
    await serving.exited
    expect(stderr).toBe(`zai2api: using the gateway that runs at ${url}\n`)
    expect(JSON.parse(stdout).env.ANTHROPIC_BASE_URL).toBe(url)
  })
})

test('another server on the port is left alone', async () => {
  using other = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('something else') })
  const { env } = await said(['--port', String(other.port), 'claude'])
  expect(env.ANTHROPIC_BASE_URL).not.toBe(`http://127.0.0.1:${other.port}`)
})
