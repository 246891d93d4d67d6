import { describe, expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { quota } from '../../../src/cli/commands/quota.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Fetch } from '../../../src/http-client/send.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { manualClock } from '../../support/clock.ts'

const now = Date.UTC(2026, 2, 20, 8, 0)

const proPlan = {
  code: 200,
  success: true,
  data: {
    level: 'pro',
    limits: [
      { type: 'TOKENS_LIMIT', unit: 3, number: 5, percentage: 7, nextResetTime: now + 3 * 3_600_000 + 4 * 60_000 },
      { type: 'TOKENS_LIMIT', unit: 6, number: 1, percentage: 44.4, nextResetTime: now + 50 * 3_600_000 },
      { type: 'TIME_LIMIT', unit: 5, number: 1, usage: 1000, currentValue: 72, percentage: 7, nextResetTime: now - 1 },
    ],
  },
}
const wrongKey = { code: 1002, msg: 'Authentication Token is invalid', success: false }

interface Asked {
  json?: boolean
  keys?: string
  bodies?: Record<string, unknown>
}

async function run({ json = false, keys = 'a.b', bodies = { 'a.b': proPlan } }: Asked) {
  const result = { code: -1, stdout: '', stderr: '', urls: new Set<string>() }
  const io = {
    env: { ZAI_API_KEY: keys, ZAI_API_BASE: 'coding' },
    cwd: '/srv',
    readFile: () => undefined,
    stdout(said: string) {
      result.stdout += said
    },
    stderr(said: string) {
      result.stderr += said
    },
    version: '1.2.3',
  }
  const fetch: Fetch = async (url, { headers }) => {
    result.urls.add(url)
    return Response.json(bodies[new Headers(headers).get('authorization') ?? ''])
  }
  const { config } = loadConfig(new Map(), io, upstreamKinds)
  result.code = await quota(config, io, { json }, { fetch, clock: manualClock(now), timeZone: 'Asia/Tokyo' })
  return result
}

describe('quota', () => {
  test('shows every window, how much of it is used and when it resets, in local time', async () => {
    expect(await run({})).toEqual({
      code: 0,
      stdout: `ZAI_API_KEY: plan pro
  5 hours             7 %               resets 2026-03-20 20:04, in 3 h 4 min
  week                44 %              resets 2026-03-22 19:00, in 2 d 2 h
  month (tool calls)  7 %   72 of 1000  resets 2026-03-20 16:59
`,
      stderr: '',
      urls: new Set(['https://api.z.ai/api/monitor/usage/quota/limit']),
    })
  })

  test('shows each key, also the one that is refused', async () => {
    const { code, stdout } = await run({ keys: 'a.b,c.d', bodies: { 'a.b': proPlan, 'c.d': wrongKey } })
    expect(code).toBe(0)
    expect(stdout).toStartWith('Key 1 of ZAI_API_KEY: plan pro\n  5 hours')
    expect(stdout).toEndWith(
      '\n\nKey 2 of ZAI_API_KEY: Z.AI does not accept the API key. Check that ZAI_API_KEY is whole and still valid, and that ZAI_API_BASE names the service it is from.\n',
    )
  })

  test('fails if no quota can be read', async () => {
    expect((await run({ bodies: { 'a.b': wrongKey } })).code).toBe(1)
  })

  test('fails without a key', async () => {
    expect(await run({ keys: '' })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'zai2api: there is no key whose plan could be shown; set ZAI_API_KEY\n',
      urls: new Set(),
    })
  })

  test('--json prints the same as JSON, without the key', async () => {
    const { stdout } = await run({ json: true })
    expect(JSON.parse(stdout)).toEqual([
      {
        place: 1,
        quota: {
          plan: 'pro',
          limits: [
            {
              kind: 'tokens',
              window: { unit: 'hour', count: 5 },
              usedPercent: 7,
              resetsAt: now + 3 * 3_600_000 + 4 * 60_000,
            },
            {
              kind: 'tokens',
              window: { unit: 'week', count: 1 },
              usedPercent: 44.4,
              resetsAt: now + 50 * 3_600_000,
            },
            {
              kind: 'tool-calls',
              window: { unit: 'month', count: 1 },
              usedPercent: 7,
              used: 72,
              total: 1000,
              resetsAt: now - 1,
            },
          ],
        },
      },
    ])
    expect(stdout).not.toContain('a.b')
  })
})

test('serve logs the quota when it is ready', async () => {
  using api = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) =>
      Response.json(request.url.endsWith('/quota/limit') ? proPlan : { object: 'list', data: [{ id: 'glm-4.6' }] }),
  })
  const child = Bun.spawn([process.execPath, resolve('src/main.ts'), '--port', '0'], {
    cwd: tmpdir(),
    env: { PATH: '', ZAI_API_KEY: 'a.b', ZAI_API_BASE: `http://127.0.0.1:${api.port}/api/v4` },
    stdout: 'ignore',
    stderr: 'pipe',
  })
  const reader = child.stderr.getReader()
  let log = ''
  while (!/ ready .*\n/.test(log)) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`ended early: ${log}`)
    log += new TextDecoder().decode(value)
  }
  child.kill()
  expect(log).toMatch(/ info {2}ready models=\d+ quota="pro, 5 hours 7 %, week 44 %, month \(tool calls\) 7 %"\n/)
  expect(await child.exited).toBe(0)
})
