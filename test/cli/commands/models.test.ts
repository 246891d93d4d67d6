import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../src/async/system-clock.ts'
import { models } from '../../../src/cli/commands/models.ts'
import { ensureSecret } from '../../../src/cli/gateway-secret.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'

let state = ''
let gateway: RunningGateway

/** A gateway with one model that no configuration here has. */
beforeEach(async () => {
  state = mkdtempSync(join(tmpdir(), 'zai2api-models-'))
  const only = { ...demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 }) }
  const [first] = await only.models()
  if (!first) throw new Error('the demo has no models')
  const price = { input: 0.5, output: 2 }
  only.models = async () => [{ ...first, id: 'GLM-of-mine', vision: true, contextTokens: 77_000, price }]
  const proofSecret = ensureSecret(join(state, 'zai2api'))
  gateway = startGateway([only], { access: { openaiKey: 'sk-one', anthropicKey: 'sk-one' }, proofSecret })
})
afterEach(async () => {
  await gateway.stop()
  rmSync(state, { recursive: true })
})

async function run(env: Record<string, string>, json = false) {
  const said = { stdout: '', stderr: '' }
  const io = {
    env: { UPSTREAMS: 'demo', LOG_LEVEL: 'off', LISTEN_PORT: new URL(gateway.url).port, XDG_STATE_HOME: state, ...env },
    cwd: '/srv',
    readFile: () => undefined,
    stdout: (text: string) => {
      said.stdout += text
    },
    stderr: (text: string | (() => string)) => {
      said.stderr += typeof text === 'string' ? text : text()
    },
    version: '1.2.3',
  }
  const code = await models(loadConfig(new Map(), io, upstreamKinds).config, io, { json })
  return { code, ...said }
}

test('the models are those of the gateway that runs, whatever this configuration has', async () => {
  const { code, stdout, stderr } = await run({ AUTH_TOKEN: 'sk-one' })
  expect([code, stderr]).toEqual([0, `zai2api: asking the gateway that runs at ${gateway.url}\n`])
  expect(stdout).toMatch(/^GLM-of-mine +77K context, vision, video, files, \$0\.5\/–\/2 a million tokens\n/)
  expect(JSON.parse((await run({ AUTH_TOKEN: 'sk-one' }, true)).stdout)).toContainEqual({
    ...{ id: 'GLM-of-mine', contextTokens: 77_000, vision: true, video: true, files: true },
    price: { input: 0.5, output: 2 },
  })
})

test('a gateway that has another key says so', async () => {
  await expect(run({ AUTH_TOKEN: 'sk-two' })).rejects.toThrow(
    `the gateway at ${gateway.url} does not accept the key of this configuration; set its AUTH_TOKEN here`,
  )
})

test.each<[string, Record<string, string>]>([
  ['nobody runs one', { LISTEN_PORT: '1' }],
  ['the port is any free one', { LISTEN_PORT: '0' }],
  ['the one that runs is not the user’s', { XDG_STATE_HOME: '/nowhere' }],
])('where %s, they are those of the configuration', async (_name, env) => {
  const { code, stdout, stderr } = await run({ AUTH_TOKEN: 'sk-one', ...env })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('GLM-4.5 ')
  expect(stdout).not.toContain('GLM-of-mine')
})
