import { expect, test } from 'bun:test'
import { requestRow, storedRequest, storedRow } from '../../src/admin/request-row.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { localCaller } from '../../src/http/client-keys.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'

const clock = manualClock()

function recordOf(members: Partial<RequestRecord> = {}): RequestRecord {
  const record = openRecord('req_1', 'POST', '/v1/messages', clock)
  return Object.assign(record, { caller: localCaller({}) }, members)
}

const keep = (text: string) => text

test('a request that has just come has no model, no numbers and no end', () => {
  const row = JSON.parse(
    JSON.stringify(requestRow(recordOf({ model: 'claude-opus', requestedModel: 'claude-opus' }), clock, keep)),
  )
  expect(row).toEqual({
    ...{ id: 'req_1', at: clock.now(), key: { id: 'master', label: 'local' }, route: '/v1/messages' },
    ...{ asked: 'claude-opus', state: 'reading', stream: false, notes: [], ignored: [] },
  })
})

test('a finished request is stored as columns and as a whole', () => {
  const record = recordOf({
    ...{
      phase: 'done',
      dialect: 'anthropic-messages',
      requestedModel: 'claude-opus',
      model: 'GLM-5.3',
      upstream: 'zai-api',
    },
    ...{ client: { name: 'Claude Code', version: '2.1' }, session: 's', agent: 'x', stream: true, status: 200 },
    ...{ usage: { inputTokens: 10, outputTokens: 4, cachedInputTokens: 6, reasoningTokens: 1 } },
    ...{
      stopReason: 'tool-calls',
      firstTokenMs: 12.4,
      notes: ['a note'],
      ignored: ['top_k'],
      tool: 'read',
      cost: { credits: 0.5, price: 'peak' },
    },
  })
  const at = clock.now()
  clock.advance(99.6)
  const row = requestRow(record, clock, keep)
  const stored = storedRequest(row)
  expect(stored).toMatchObject({
    ...{ id: 'req_1', at, key: 'master', model: 'GLM-5.3', upstream: 'zai-api', client: 'Claude Code' },
    ...{ session: 's', agent: 'x', status: 200, error: null, ms: 100, first_ms: 12, tokens_in: 10, tokens_cached: 6 },
    ...{ tokens_out: 4, tokens_reasoning: 1, credits: 0.5, usd: null },
  })
  expect(storedRow(stored)).toEqual(JSON.parse(JSON.stringify(row)))
  expect(storedRow(stored)).toMatchObject({
    stop_reason: 'tool-calls',
    total_ms: 99.6,
    price: 'peak',
    notes: ['a note'],
  })
  expect(storedRow(stored).tool).toBeUndefined()
})

test('what a client names cannot reorder or hide the text around it', () => {
  const unseen = 'a\u202eb\u200bc\u0007'
  const record = recordOf({ requestedModel: unseen, tool: unseen, notes: [unseen], ignored: [unseen] })
  const shown = 'a\\u202eb\\u200bc\\u0007'
  expect(requestRow(record, clock, keep)).toMatchObject({ asked: shown, tool: shown, notes: [shown], ignored: [shown] })
})

test('a failed request has its code and status, and free text without secrets and of bounded length', () => {
  const secret = 'sk-the-secret'
  const error = new GatewayError('upstream-malformed', `The upstream said ${secret}.`, { code: 'upstream_error' })
  const record = recordOf({
    ...{ phase: 'done', error, requestedModel: `${secret}${'x'.repeat(1_000)}`, model: secret, upstream: 'zai-api' },
    ...{ notes: Array.from({ length: 100 }, () => `${secret} ${'y'.repeat(2_000)}`) },
    ...{ ignored: Array.from({ length: 1_000 }, () => `${secret}${'z'.repeat(2_000)}`) },
  })
  const stored = storedRequest(requestRow(record, clock, (text) => text.replaceAll(secret, '[redacted]')))
  expect(JSON.stringify(stored)).not.toContain(secret)
  expect(storedRow(stored).error).toEqual({ code: 'upstream_error', message: 'The upstream said [redacted].' })
  expect(stored).toMatchObject({ error: 'upstream_error', status: error.status, model: '[redacted]' })
  expect(stored.meta.length).toBeLessThan(20_000)
})

test.each([
  'sk-live-0123456789abcdef',
  `${'0a'.repeat(16)}.abcdefgh12`,
  'ghp_0123456789abcdefghijklmnop',
  'https://user:pass-word@host/',
])('what has the shape of a key is not listed as the name of a model, tool or field, nor quoted: %s', (key) => {
  const record = recordOf({
    requestedModel: key,
    model: key,
    upstream: 'demo',
    tool: key,
    ignored: [key],
    notes: [key],
    error: new GatewayError('not-found', `The model \`${key}\` does not exist here.`),
  })
  const stored = storedRequest(requestRow(record, clock, keep))
  expect(JSON.stringify(stored)).not.toContain(key)
  expect(stored.model).toContain('[redacted]')
})

test.each([
  'glm-4.6',
  'claude-sonnet-5[1m]',
  '5f0c1e9a-6b1d-4c52-9d0c-1f2e3d4c5b6a',
  'zai-org/GLM-4.6-FP8',
  'monkey-v1',
])('an ordinary name is listed as it is: %s', (requestedModel) => {
  expect(requestRow(recordOf({ requestedModel }), clock, keep).asked).toBe(requestedModel)
})
