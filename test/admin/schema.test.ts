import { describe, expect, test } from 'bun:test'
import type { Static, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { AgentSessionDetail, AgentSessionPage } from '../../src/admin/schema/agent-sessions.ts'
import { CaptureChange } from '../../src/admin/schema/capture.ts'
import { DoctorStep } from '../../src/admin/schema/doctor.ts'
import { AdminError } from '../../src/admin/schema/error.ts'
import { type LiveEvent, liveEvents } from '../../src/admin/schema/events.ts'
import { KeyChange, KeyList, KeyWithSecret, NewKey } from '../../src/admin/schema/keys.ts'
import { Licences } from '../../src/admin/schema/licences.ts'
import { Now } from '../../src/admin/schema/now.ts'
import { CapturedBody, Replay, RequestDetail, RequestPage, RequestRow } from '../../src/admin/schema/requests.ts'
import { Setups } from '../../src/admin/schema/setups.ts'
import { Operator, SignIn } from '../../src/admin/schema/sign-in.ts'
import { System } from '../../src/admin/schema/system.ts'
import { TestResult, Upstreams } from '../../src/admin/schema/upstreams.ts'
import { Usage, UsageQuery } from '../../src/admin/schema/usage.ts'
import { type BodyName, bodyNames } from '../../src/observe/capture.ts'

const row: RequestRow = {
  id: 'req_1',
  at: 1_796_000_000_000,
  key: { id: 'master', label: 'AUTH_TOKEN' },
  route: '/v1/messages',
  state: 'waiting',
  place: { n: 1, of: 2 },
  stream: true,
  notes: [],
  ignored: [],
}
const sums = { input: 0, cached: 0, output: 0 }

const example = <Schema extends TSchema>(name: string, schema: Schema, value: Static<Schema>) =>
  [name, schema, value] as const

describe('the least that each shape asks for', () => {
  test.each<readonly [string, TSchema, unknown]>([
    example('a row', RequestRow, row),
    example('a page of rows', RequestPage, { rows: [row], next: 'cursor' }),
    example('a request', RequestDetail, {
      ...row,
      ...{ timeline: [{ kind: 'queue', from_ms: 0.5, to_ms: 12 }], attempts: [], routing: [] },
      bodies: { not_captured: 'CAPTURE is metadata.' },
    }),
    example('a captured body', CapturedBody, {
      headers: [['accept', '*/*']],
      chunks: [{ at_ms: 1, text: '{}' }],
      bytes: 2,
    }),
    example('a replay', Replay, {}),
    example('now', Now, {
      ...{ version: 'test', at: 1, started_at: 1, ready: true, running: [row], troubles: [], upstreams: [] },
      credentials: { ready: 1, of: 2 },
      base_urls: { openai: 'http://127.0.0.1:8080/v1', anthropic: 'http://127.0.0.1:8080' },
      last_hour: { requests: 0, errors: 0, slow: 0, noted: 0, ...sums, per_minute: [], errors_per_minute: [] },
      peak_hours: [{ from: 1, to: 2 }],
    }),
    example('setups', Setups, { setups: [{ client: 'claude', label: 'Claude Code', text: 'x', command: 'y' }] }),
    example('upstreams', Upstreams, {
      upstreams: [
        {
          ...{ id: 'demo', label: 'Demo', kind: 'demo', state: 'ready', text: 'Ready', busy: 0, waiting: 0 },
          ...{ credentials: [], history: [{ at: 1, credential: 'c1', kind: 'limit-lowered', limit: 3 }] },
        },
      ],
    }),
    example('a test', TestResult, { ok: true, text: 'It lists 12 models.', ms: 12.5 }),
    example('sessions', AgentSessionPage, { sessions: [] }),
    example('a session', AgentSessionDetail, {
      ...{ id: 's', started_at: 1, last_at: 2, turns: 1, agents: [], models: [], ...sums, context: 9, requests: [row] },
    }),
    example('usage', Usage, { slots: [{ at: 1, group: 'GLM-4.5', requests: 1, errors: 0, ...sums }], peak_hours: [] }),
    example('a question about usage', UsageQuery, { by: 'hour', group: 'model' }),
    example('keys', KeyList, { keys: [] }),
    example('a new key', NewKey, { name: 'laptop' }),
    example('a changed key', KeyChange, { rpm: null, disabled: true }),
    example('a key that was made', KeyWithSecret, {
      ...{ id: 'k', name: 'laptop', prefix: 'z2a_abcd', created_at: 1, disabled: false, budgets: [], state: 'active' },
      secret: 'z2a_abcdefgh',
    }),
    example('a change of capture', CaptureChange, { mode: 'memory', minutes: 30 }),
    example('a step of doctor', DoctorStep, { n: 1, of: 9, name: 'port', state: 'ok', text: 'free', ms: 1 }),
    example('the system', System, {
      ...{ version: 'test', platform: 'linux-x64', runtime: 'bun', pid: 1, started_at: 1, uptime_ms: 1 },
      ...{ memory_bytes: 1, config: [] },
    }),
    example('licences', Licences, { packages: [{ name: 'elysia', version: '1', licence: 'MIT', text: 'Permission' }] }),
    example('a sign-in', SignIn, { token: 'sk-of-the-operator' }),
    example('an operator', Operator, { operator: true, how: 'cookie' }),
    example('an error', AdminError, {
      error: { message: 'wrong', type: 'authentication_error', param: null, code: 'invalid_api_key', attempts_left: 4 },
    }),
  ])('%s', (_name, schema, value) => {
    expect([...Value.Errors(schema, value)]).toEqual([])
  })
})

test('a row of an unknown state is none', () => {
  expect(Value.Check(liveEvents.request, { ...row, state: 'asleep' })).toBe(false)
})

test('each event of the stream has a shape', () => {
  const events: LiveEvent[] = [
    { event: 'state', data: { ready: true, upstreams: [], running: [row] } },
    { event: 'request', data: row },
    { event: 'capture', data: { mode: 'memory', configured: 'metadata', used_bytes: 0, max_bytes: 1 } },
  ]
  for (const { event, data } of events) expect([...Value.Errors(liveEvents[event], data)]).toEqual([])
})

test('a request has four bodies', () => {
  const bodies: Record<BodyName, true> = {
    ...{ 'client-request': true, 'upstream-request': true, 'upstream-reply': true, 'client-reply': true },
  }
  expect(Object.keys(bodies)).toEqual([...bodyNames])
})
