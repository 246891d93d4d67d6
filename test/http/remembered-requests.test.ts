import { afterAll, expect, test } from 'bun:test'
import { storedRow } from '../../src/admin/request-row.ts'
import { type Composed, compose } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Database } from '../../src/database/sql.ts'
import { countRequests, requestPage } from '../../src/store/requests.ts'
import { usageBetween } from '../../src/store/usage.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { eventStream } from '../support/chat-zai.ts'
import { chatRoute, chunks, chunkText, scriptedApi } from '../support/zai-api.ts'

const api = scriptedApi(['the.key'])
const env = {
  ...{ ZAI_API_KEY: 'the.key', PRIMARY_MODEL: 'glm-4.6', AUTH_TOKEN: 'the-token', LOG_LEVEL: 'off' },
  ...{ DATABASE_URL: 'memory', RATE_LIMIT_RPM: '5' },
}
const { config } = loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
const gateway: Composed = await compose(config, 'test', { write() {} }, api.fetch, undefined, undefined, {
  folder: undefined,
})
afterAll(() => gateway.close())

function database(): Database {
  if (gateway.database === undefined) throw new Error('no database')
  return gateway.database
}

const call = (path: string, body: object, headers: Record<string, string> = {}) =>
  gateway.app.handle(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: 'Bearer the-token', ...headers },
    }),
  )

const remembered = async (count: number) => {
  while ((await countRequests(database())) < count) await Bun.sleep(20)
  return (await requestPage(database(), {}, 100))?.rows ?? []
}

const chat = { model: 'glm-4.6', messages: [{ role: 'user', content: 'the-prompt' }] }

test('what a request was, took and cost is remembered, and nothing that was said', async () => {
  const usage = { prompt_tokens: 1_000, completion_tokens: 50, prompt_tokens_details: { cached_tokens: 400 } }
  api.script(chatRoute, () => chunks({ delta: { content: 'the-reply' } }, { finish_reason: 'stop', usage }))
  const headers = { 'user-agent': 'claude-cli/2.1.330 (external, cli)', 'x-claude-code-session-id': 'session-1' }
  const body = { ...chat, model: 'claude-opus-4', max_tokens: 100, secret_field: 'the-field' }
  const response = await call('/v1/messages', body, headers)
  expect(response.status).toBe(200)
  // A key that is wrong is nobody's request.
  expect((await call('/v1/messages', body, { authorization: 'Bearer wrong' })).status).toBe(401)
  expect((await call('/v1/messages/count_tokens', body)).status).toBe(200)
  const [row, ...others] = await remembered(1)
  expect(others).toEqual([])
  if (row === undefined) throw new Error('no row')
  expect(storedRow(row)).toMatchObject({
    ...{ id: response.headers.get('x-request-id'), client: { name: 'Claude Code', version: '2.1.330' } },
    ...{ session: 'session-1', key: { id: 'master', label: 'AUTH_TOKEN' }, dialect: 'anthropic-messages' },
    ...{ route: '/v1/messages', asked: 'claude-opus-4', upstream: 'zai-api', state: 'done', status: 200 },
    ...{ stop_reason: 'stop', stream: false, input: 1_000, cached: 400, output: 50 },
    // 1,000 × 0.60 and 50 × 2.20 for a million each: cached tokens of this model have no price of their own.
    ...{ model: expect.stringMatching(/^glm-4.6$/i), usd: expect.closeTo(0.00071, 9), total_ms: expect.any(Number) },
  })
  for (const said of ['the-prompt', 'the-reply', 'the-field', 'the-token', 'the.key'])
    expect(JSON.stringify(row)).not.toContain(said)
})

test('a stream that breaks and a refusal are remembered as what they were, and counted as errors', async () => {
  const before = await countRequests(database())
  api.script(chatRoute, () => eventStream(`data: ${chunkText({ delta: { content: 'A beginning' } })}\n\n`))
  await (await call('/v1/chat/completions', { ...chat, stream: true })).text()
  const statuses: number[] = []
  while (!statuses.includes(429)) statuses.push((await call('/v1/chat/completions', chat)).status)
  const rows = await remembered(before + 1 + statuses.length)
  expect(rows.find(({ error }) => error === 'upstream_truncated')).toMatchObject({ status: 200, upstream: 'zai-api' })
  expect(rows.find(({ status }) => status === 429)).toMatchObject({
    error: 'rate_limit_exceeded',
    model: null,
    upstream: null,
  })
  const query = { from: 0, to: Number.MAX_SAFE_INTEGER, by: 'day', group: 'key' } as const
  const [used] = await usageBetween(database(), query)
  const failed = rows.filter(({ error }) => error !== null)
  expect(used).toMatchObject({ group: 'master', requests: rows.length, errors: failed.length })
})
