import { describe, expect, test } from 'bun:test'
import { readyLine } from '../../../src/cli/commands/serve.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'

describe('the first line of a server', () => {
  const guest =
    'Without ZAI_API_KEY or ZAI_TOKEN you are a guest at chat.z.ai, which often asks guests for a captcha. With ZAI_API_KEY in .env answers come from the official API.\n'
  test.each<[string, Record<string, string>, string, string]>([
    ['says what a guest may meet', {}, 'zai-web', guest],
    ['says so to a guest with a second upstream', { UPSTREAMS: 'zai-web,zai-api' }, 'zai-web, zai-api', guest],
    ['says no more to an account', { ZAI_TOKEN: 'token' }, 'zai-web', ''],
    ['nor to one that steps in', { BACKUP_TOKEN: 'token' }, 'zai-web', ''],
    ['nor with a key', { ZAI_API_KEY: 'a.b' }, 'zai-api', ''],
  ])('%s', (_name, env, upstreams, note) => {
    const { config } = loadConfig(new Map(), { env, cwd: '/srv', readFile: () => undefined }, upstreamKinds)
    const url = 'http://127.0.0.1:8080'
    expect(readyLine(url, config, '1.0')).toBe(
      `zai2api 1.0 listening on ${url} (upstream ${upstreams}; docs at ${url}/docs)\n${note}`,
    )
  })
})
