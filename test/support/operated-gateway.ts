import type { ServingProgram } from '../../src/admin/operator-context.ts'
import { compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { scriptedApi } from './zai-api.ts'

/** The whole program in front of a fake of the official API, as its operator sees it from this machine. */
export async function operatedGateway(env: Record<string, string> = {}, program?: ServingProgram) {
  const api = scriptedApi(['key-1', 'key-2'])
  const surroundings = {
    env: { ZAI_API_KEY: 'key-1,key-2', LOG_LEVEL: 'off', METRICS: 'false', DATABASE_URL: 'memory', ...env },
    ...{ cwd: '/nowhere', readFile: () => undefined },
  }
  const { config } = loadConfig(new Map(), surroundings, upstreamKinds)
  const composed = await compose(
    config,
    'test',
    { write() {} },
    {
      ...{ fetch: api.fetch, kept: { folder: undefined } },
      program: program && (() => program),
    },
  )
  const ask = (method: string, path: string, body?: object) =>
    composed.app.handle(
      new Request(`http://localhost:8080${path}`, {
        ...{ method, headers: { host: 'localhost:8080' } },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
    )
  const chat = (more: object = {}) =>
    ask('POST', '/v1/chat/completions', { model: 'glm-4.6', messages: [{ role: 'user', content: 'Hello' }], ...more })
  return { ...composed, config, api, ask, chat }
}
