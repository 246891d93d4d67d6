import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { clientSetups } from '../../src/cli/clients/index.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'
import { hasPythonPackages, python } from '../support/libraries/install.ts'
import { readmes } from '../support/readme.ts'

// `make test-libraries` installs the packages and runs this file. The packages start slowly.
setDefaultTimeout(60_000)

const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
afterAll(() => gateway.stop())

/** Runs Python with nothing of the user's environment, and rejects nothing: the test sees what it said. */
async function run(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([python, ...args], { env: { PYTHONUTF8: '1', ...env }, stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

function variablesOf(client: 'openai' | 'anthropic'): Record<string, string> {
  const model = { id: 'GLM-4.5' }
  const target = { url: gateway.url, key: 'anything', primary: model, small: model, models: [model], named: false }
  const set = clientSetups[client].variables(target)
  return Object.fromEntries(set.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}

// Where Python's registry cannot be reached, `make test-libraries` says so.
const isLeftOut = !hasPythonPackages()

describe.skipIf(isLeftOut)('the official packages for Python', () => {
  test.each([
    ['openai_sdk', () => variablesOf('openai')],
    ['anthropic_sdk', () => variablesOf('anthropic')],
    ['google_sdk', () => ({ GATEWAY: gateway.url })],
  ])('%s', async (name, env) => {
    // They give advice about their own use on standard error.
    expect(await run([join(import.meta.dir, `${name}.py`)], env())).toMatchObject({ code: 0, stdout: 'ok\n' })
  })
})

test.skipIf(isLeftOut).each(readmes.map(({ file }) => file))(
  'the example for Python in %s works as printed',
  async (file) => {
    const [, code = ''] = /```python\n([\s\S]*?)```/.exec(readFileSync(file, 'utf8')) ?? []
    const { code: exit, stdout, stderr } = await run(['-c', code.replace('http://127.0.0.1:8080', gateway.url)])
    expect([exit, stderr]).toEqual([0, ''])
    const [, asked = ''] = /"content": "([^"]+)"/.exec(code) ?? []
    expect(stdout).toContain(asked)
  },
)
