import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../../src/async/system-clock.ts'
import { doctor } from '../../../src/cli/commands/doctor/index.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { dialects } from '../../../src/dialects/index.ts'
import { replyAddresses } from '../../../src/http/hints.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { compatibleServer } from '../../support/compatible-server.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

async function findings(row: (base: string) => string, key?: string) {
  const server = compatibleServer(key === undefined ? {} : { key })
  stops.push(server.stop)
  const toml = `[[upstreams]]\nid = "home"\nkind = "openai-compatible"\n${row(server.base)}\n`
  let told = ''
  const io = {
    env: {},
    cwd: '/srv',
    readFile: (path: string) => (path === '/srv/zai2api.toml' ? toml : undefined),
    stdout(said: string) {
      told += said
    },
    stderr: () => {},
    version: '1.2.3',
  }
  const edge = {
    fetch,
    clock: systemClock,
    lookup: async () => [],
    tryPort: async () => 'free',
    proxyFiles: () => [],
    proves: async () => false,
  }
  await doctor(() => loadConfig(new Map(), io, upstreamKinds), io, { json: true, offline: false }, edge)
  return JSON.parse(told) as { status: string; check: string; says: string; next?: string }[]
}

test.each<[string, (base: string) => string, string | undefined, string, string]>([
  ['that lists models', (base) => `base = "${base}"`, undefined, 'pass', 'lists 1 model'],
  ['that asks for a key', (base) => `base = "${base}"`, 'right', 'fail', 'it asks for a key'],
  [
    'that refuses the key',
    (base) => `base = "${base}"\nkeys = ["wrong"]`,
    'right',
    'fail',
    'it does not accept the key',
  ],
  ['at a wrong path', (base) => `base = "${base}/x"`, undefined, 'fail', 'it has no list of models (HTTP 404)'],
  ['without the model', (base) => `base = "${base}"\nmodels = ["glm-9"]`, undefined, 'warn', 'it does not list glm-9'],
])('a server %s', async (_name, row, key, status, says) => {
  const found = await findings(row, key)
  expect(found.find(({ check }) => check === 'home')).toMatchObject({ status, says })
})

test('a server that works answers in every dialect', async () => {
  const found = await findings((base) => `base = "${base}"`)
  expect(found.filter(({ check }) => check.startsWith('POST')).map(({ status }) => status)).toEqual(
    replyAddresses(dialects).map(() => 'pass'),
  )
})
