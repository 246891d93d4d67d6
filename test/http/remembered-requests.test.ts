import { afterAll, describe, expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import { storedRow } from '../../src/admin/request-row.ts'
import { AgentSessionPage } from '../../src/admin/schema/agent-sessions.ts'
import { RequestPage } from '../../src/admin/schema/requests.ts'
import { Usage } from '../../src/admin/schema/usage.ts'
import { storedParts } from '../../src/admin/stored-timeline.ts'
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
const gateway: Composed = await compose(
  config,
  'test',
  { write() {} },
  { fetch: api.fetch, kept: { folder: undefined } },
)
afterAll(() => gateway.close())

function database(): Database {
  if (gateway.database === undefined) throw new Error('no database')
  return gateway.database
}

const ask = async (path: string) => {
  const headers = { authorization: 'Bearer the-token' }
  const response = await gateway.app.handle(new Request(`http://localhost/admin/api${path}`, { headers }))
  const isJson = response.headers.get('content-type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: await (isJson ? response.json() : response.text()),
  }
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
    // 600 × 0.60, 400 × 0.11 and 50 × 2.20 for a million each.
    ...{ model: expect.stringMatching(/^glm-4.6$/i), usd: expect.closeTo(0.000514, 9), total_ms: expect.any(Number) },
  })
  expect(storedParts(row.detail)).toMatchObject({
    timeline: ['read', 'count', 'headers', 'first', 'text', 'close'].map((kind) => ({ kind })),
    attempts: [{ n: 1, upstream: 'zai-api', status: 200 }],
    routing: [{ from: 'claude-opus-4', by: 'PRIMARY_MODEL' }, { to: 'zai-api' }],
  })
  // Ids are in the order of time.
  expect(row.id).toStartWith(`req_${row.at.toString(16).padStart(12, '0').slice(0, 8)}`)
  expect(row.id).toMatch(/^req_[0-9a-f]{24}$/)
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

describe('the operator', () => {
  test('finds requests by what they were, page by page', async () => {
    const { body: all } = await ask('/requests')
    expect(Value.Errors(RequestPage, all).First()).toBeUndefined()
    const { body: errors } = await ask('/requests?status=error&since=5&q=upstream')
    expect(errors.rows).toMatchObject([{ error: { code: 'upstream_truncated' }, upstream: 'zai-api', state: 'done' }])
    const { body: first } = await ask('/requests?limit=2')
    expect(first.rows).toEqual(all.rows.slice(0, 2))
    const { body: second } = await ask(`/requests?limit=2&before=${encodeURIComponent(first.next)}`)
    expect(second.rows).toEqual(all.rows.slice(2, 4))
    expect((await ask('/requests?client=claude&model=glm-4.6&key=AUTH_TOKEN')).body.rows).toHaveLength(1)
  })

  test('is told what is wrong with a question', async () => {
    expect(await ask('/requests?before=x')).toMatchObject({ status: 400, body: { error: { param: 'before' } } })
    expect(await ask('/requests?limit=201')).toMatchObject({ status: 400, body: { error: { param: 'limit' } } })
    expect(await ask('/requests?status=bad')).toMatchObject({ status: 400, body: { error: { param: 'status' } } })
    expect(await ask('/usage?by=week')).toMatchObject({ status: 400, body: { error: { param: 'by' } } })
    expect(await ask('/sessions/nothing')).toMatchObject({
      status: 404,
      body: { error: { code: 'session_not_found' } },
    })
  })

  test('sees the sessions of agents, and what one of them asked', async () => {
    const { body } = await ask('/sessions')
    expect(Value.Errors(AgentSessionPage, body).First()).toBeUndefined()
    const session = {
      ...{ id: 'session-1', client: 'Claude Code', turns: 1, agents: [{ id: '', turns: 1 }], models: ['GLM-4.6'] },
      ...{ input: 1_000, cached: 400, output: 50, context: 1_000, window: 200_000 },
    }
    expect(body.sessions).toMatchObject([session])
    expect((await ask('/sessions/session-1')).body).toMatchObject({
      ...session,
      requests: [{ asked: 'claude-opus-4' }],
    })
    expect((await ask(`/sessions?since=${Date.now() + 60_000}`)).body).toEqual({ sessions: [] })
  })

  test('sees usage by hours and groups, and takes it as a table', async () => {
    const { body } = await ask('/usage?group=client')
    expect(Value.Errors(Usage, body).First()).toBeUndefined()
    expect(body.slots.find(({ group }: { group: string }) => group === 'Claude Code')).toMatchObject({
      ...{ requests: 1, errors: 0, input: 1_000, cached: 400, output: 50, usd: expect.closeTo(0.000514, 9) },
    })
    // A name that a spreadsheet would take for a formula.
    await call('/v1/chat/completions', chat, { 'user-agent': '=1+1,"a' })
    const { headers, body: csv } = await ask('/usage?group=client&by=day&format=csv')
    expect(headers.get('content-type')).toStartWith('text/csv')
    const lines: string[] = csv.split('\r\n')
    expect(lines[0]).toBe('at,client,requests,errors,input,cached,output,reasoning,credits,usd')
    expect(lines.find((line) => line.includes('Claude'))).toMatch(
      /^\d{4}-\d\d-\d\dT00:00:00.000Z,Claude Code,1,0,1000,400,50,0,,0.000514$/,
    )
    expect(lines.find((line) => line.includes('1+1'))).toContain(`,"'=1+1,""a",1,1,`)
  })

  test('is told what the last hour has cost', async () => {
    expect((await ask('/now')).body.last_hour).toMatchObject({ usd: expect.any(Number), input: expect.any(Number) })
  })
})
