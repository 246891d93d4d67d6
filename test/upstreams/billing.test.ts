import { expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { billingOf } from '../../src/upstreams/billing.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'

const tokens = { input: 10_000, output: 0 }
const peak = Date.parse('2026-11-30T06:00:00Z')

function costFor(env: Record<string, string>, upstream: string, model = 'GLM-5.3') {
  const { config } = loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
  return billingOf(config, upstreamKinds)(upstream, model, tokens, peak)
}

const own = (model: object[] = []) => ({
  ZAI_MODELS: JSON.stringify(model),
  UPSTREAMS: JSON.stringify([{ id: 'home', kind: 'openai-compatible', base: 'http://127.0.0.1:1/v1' }]),
})

type Case = [what: string, env: Record<string, string>, upstream: string, model: string, cost: object]

test.each<Case>([
  ['dollars at the official API', { ZAI_API_KEY: 'a.b' }, 'zai-api', 'GLM-5.3', { usd: 0.014 }],
  [
    'credits with a coding plan',
    { ZAI_API_KEY: 'a.b', ZAI_API_BASE: 'coding' },
    'zai-api',
    'GLM-5.3',
    { credits: 6.9, price: 'peak' },
  ],
  ['nothing that is known for an unknown model', { ZAI_API_KEY: 'a.b' }, 'zai-api', 'GLM-9', {}],
  ['nothing at chat.z.ai', {}, 'zai-web', 'GLM-5.3', {}],
  ['nothing on a server of the user’s own', own(), 'home', 'GLM-5.3', {}],
  [
    'the user’s own price there',
    own([{ id: 'glm-5.3', price: { input: 1, output: 2 } }]),
    'home',
    'GLM-5.3',
    { usd: 0.01 },
  ],
  ...['zai-org/GLM-4.6-FP8', 'GLM-4.6-FP8', 'zai-org/*', 'GLM-4.6*'].map(
    (id): Case => [
      `the user’s own price of ${id} there, whatever the publisher`,
      own([{ id, price: { input: 1, output: 2 } }]),
      'home',
      'zai-org/GLM-4.6-FP8',
      { usd: 0.01 },
    ],
  ),
  ['nothing for a model of Z.AI’s with a publisher', own(), 'home', 'zai-org/GLM-5.3', {}],
  ['nothing at an upstream that is gone', {}, 'zai-api', 'GLM-5.3', {}],
])('a request costs %s', (_what, env, upstream, model, expected) => {
  const { usd, ...cost } = costFor(env, upstream, model)
  expect(usd === undefined ? cost : { ...cost, usd: Math.round(usd * 1e6) / 1e6 }).toEqual(expected)
})
