import { expect, test } from 'bun:test'
import { readQuota } from '../../../src/upstreams/zai-api/quota.ts'
import { json } from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'
import { quotaRoute, refusal, scriptedApi } from '../../support/zai-api.ts'
import recorded from './quota.json'

function read(reply: Response, api = scriptedApi()) {
  api.script(quotaRoute, reply)
  return readQuota({
    baseUrl: 'https://api.z.ai/api/coding/paas/v4',
    key: 'id.secret',
    fetch: api.fetch,
    clock: manualClock(),
    signal: new AbortController().signal,
    timeoutMs: 5_000,
  })
}

const nothing = { usedPercent: undefined, used: undefined, total: undefined, remaining: undefined, resetsAt: undefined }

test('the recorded response has three limits', async () => {
  expect(await read(json(recorded))).toEqual({
    plan: 'pro',
    limits: [
      { ...nothing, kind: 'tokens', window: { unit: 'hour', count: 5 }, usedPercent: 7, resetsAt: 1_774_018_000_000 },
      { ...nothing, kind: 'tokens', window: { unit: 'week', count: 1 }, usedPercent: 44, resetsAt: 1_774_500_000_000 },
      {
        kind: 'tool-calls',
        window: { unit: 'month', count: 1 },
        usedPercent: 7,
        used: 72,
        total: 1000,
        remaining: 928,
        resetsAt: 1_776_000_000_000,
      },
    ],
  })
})

test('the bare key is sent to the origin of the service', async () => {
  const api = scriptedApi()
  await read(json(recorded), api)
  expect(api.to(quotaRoute)[0]?.headers.authorization).toBe('id.secret')
})

test('nulls, credits and unknown kinds are read', async () => {
  const limits = [
    { type: 'CREDIT_LIMIT', unit: null, number: null, percentage: 12.5, nextResetTime: null },
    { type: 'NEW_LIMIT', unit: 9, remaining: 3 },
    { type: null },
    null,
  ]
  expect(await read(json({ code: 200, success: true, data: { limits, level: null } }))).toEqual({
    plan: undefined,
    limits: [
      { ...nothing, kind: 'credits', window: undefined, usedPercent: 12.5 },
      { ...nothing, kind: 'other', window: undefined, remaining: 3 },
    ],
  })
  expect(await read(json({ data: { limits: null } }))).toEqual({ plan: undefined, limits: [] })
})

test.each<[string, () => Response, string]>([
  ['a refused key', () => refusal(401, '1002', 'Invalid token'), 'upstream_auth_failed'],
  [
    'a refusal with status 200',
    () => json({ code: 1001, msg: 'Header missing', success: false }),
    'upstream_auth_failed',
  ],
  ['a server without this address', () => new Response('', { status: 404 }), 'upstream_malformed'],
  ['a page', () => new Response('<html>'), 'upstream_malformed'],
  ['an answer without limits', () => json({ code: 200, success: true, data: null }), 'upstream_malformed'],
])('%s is an error', async (_name, reply, code) => {
  await expect(read(reply())).rejects.toMatchObject({ code })
})
