import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import { usualSettings, zaiErrors } from '../../../src/upstreams/zai-api/errors.ts'
import rows from './errors.json'

const errors = zaiErrors(usualSettings)

/** 2026-03-20 17:00 in Beijing. */
const now = Date.parse('2026-03-20T09:00:00Z')

function errorFor(status: number, body: unknown, headers: Record<string, string> = {}): GatewayError {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return errors.ofResponse({ status, ok: status < 300, headers: new Headers(headers), text }, now)
}

const coded = (status: number, code: string | number, message: string) => errorFor(status, { error: { code, message } })

/** The error for each recorded refusal. One that must not be resent is neither 429 nor 5xx, whatever its status was. */
const outcomes: Record<string, [status: number, code: string, retry: boolean]> = {
  '1001': [403, 'upstream_auth_failed', false],
  '1002': [403, 'upstream_auth_failed', false],
  '1003': [403, 'upstream_auth_failed', false],
  '1113': [402, 'insufficient_quota', false],
  '1210': [400, 'invalid_request', false],
  '1211': [404, 'model_not_found', false],
  '1213': [400, 'invalid_request', false],
  '1214': [400, 'invalid_request', false],
  '1220': [403, 'model_not_available', false],
  '1234': [502, 'upstream_error', true],
  '1261': [400, 'context_length_exceeded', false],
  '1301': [400, 'content_filter', false],
  '1302': [429, 'rate_limit_exceeded', true],
  '1305': [429, 'model_overloaded', true],
  '1308': [402, 'usage_limit_reached', false],
  '1309': [402, 'plan_expired', false],
  '1310': [402, 'usage_limit_reached', false],
  '1311': [403, 'model_not_available', false],
  '1312': [429, 'model_overloaded', true],
  '1313': [403, 'fair_use_limit', false],
  '503': [502, 'upstream_error', true],
  '200': [403, 'upstream_wrong_address', false],
}

describe('every recorded refusal', () => {
  test.each(rows.map((row, index) => [index, codeIn(row), row] as const))('row %d, %s', (_place, name, row) => {
    const error = errorFor(row.status, row.body)
    expect([error.status, error.code, error.retry]).toEqual(outcomes[name] ?? [0, '', false])
    // The recordings say when a retry may succeed; the error must not promise more.
    expect(error.retry).toBe(row.expect.retry)
    if (error.status === 429) expect(error.retryAfterMs).toBeGreaterThan(0)
  })
})

function codeIn({ status, body }: (typeof rows)[number]): string {
  const { error } = body
  return typeof error === 'object' ? String(error.code) : String(status)
}

test.each([['1316'], ['1317']])('a package or quota that is used up (%s) is told as that, with its reset', (code) => {
  const error = coded(429, code, 'Your quota is used up and resets at 2026-03-20 18:00:00.')
  expect([error.status, error.code, error.retry, error.retryAfterMs]).toEqual([402, 'quota_used_up', false, 3_600_000])
  expect(error.message).toContain('used up')
})

describe('codes without a recording', () => {
  test.each([
    [401, '1000', 403],
    [401, '1005', 403],
    [429, '1110', 403],
    [401, '1121', 403],
    [500, '1200', 502],
    [500, '1230', 502],
    [400, '1231', 502],
    [400, '1212', 400],
    [400, '1215', 400],
    [400, '1222', 400],
    [400, '1300', 400],
    [429, '1303', 429],
    [429, '1304', 402],
    [429, '1314', 402],
    [429, '1321', 402],
  ])('HTTP %d with %s is told with %d', (status, code, told) => expect(coded(status, code, 'x').status).toBe(told))
})

describe('statuses without a known code', () => {
  test.each([
    [401, 403],
    [402, 402],
    [403, 403],
    [404, 403],
    [413, 413],
    [429, 429],
    [418, 400],
    [434, 400],
    [435, 413],
    [500, 502],
    [529, 502],
  ])('HTTP %d is told with %d', (status, told) => expect(errorFor(status, '<html>oops</html>').status).toBe(told))

  test('a successful response that is no stream is malformed', () => {
    expect(errorFor(200, { hello: 'world' })).toMatchObject({ kind: 'upstream-malformed', status: 502 })
  })
})

describe('messages', () => {
  test('no balance names the wrong service as the other cause', () => {
    expect(coded(429, '1113', 'Insufficient balance').message).toContain('ZAI_API_BASE=coding')
  })

  test.each([
    ['Usage limit reached for 5 hour. Your limit will reset at 2026-03-20 18:00:00', '1308'],
    ['[1308][5 小时限额已用完，将在 2026-03-20 18:00:00 重置][20260320170000abc]', ''],
  ])('the reset time is Beijing time: %s', (message, code) => {
    const error = coded(429, code, message)
    expect([error.code, error.retryAfterMs]).toEqual(['usage_limit_reached', 3_600_000])
    expect(error.message).toContain('2026-03-20 10:00 UTC')
  })

  test('a limit without a time has no wait', () => {
    expect(coded(429, '1310', 'Limit exhausted').retryAfterMs).toBeUndefined()
  })

  test('a reset in the past is no negative wait', () => {
    expect(coded(429, '1308', 'reset at 2026-03-19 18:00:00').retryAfterMs).toBe(0)
  })

  test.each([
    ['Tool choice must be auto', 'tool_choice'],
    ['The messages parameter is illegal. Please check the documentation.', 'messages'],
    ['The prompt parameter was not received normally.', 'messages'],
    ['temperature must be between 0 and 1', 'temperature'],
    ['Invalid API parameter, please check the documentation.', undefined],
  ])('a refused request says what the API says, and which field: %s', (message, param) => {
    const error = coded(400, '1210', message)
    expect(error.param).toBe(param)
    expect(error.message).toContain(message.replace(/\.$/, ''))
  })

  test('other messages do not quote the API', () => {
    expect(coded(500, '1234', 'Network error, error id: 000').message).not.toContain('000')
  })

  test('a key never shows, neither to the client nor in the log', () => {
    const key = 'abcdef0123456789abcdef0123456789.SecretSecret1234'
    const error = coded(400, '1210', `Parameter of ${key} is bad`)
    expect(`${error.message}${JSON.stringify(error.detail)}`).not.toContain('Secret')
  })

  test('a long message is shortened', () => {
    expect(coded(400, '1214', 'x'.repeat(2000)).message.length).toBeLessThan(400)
  })

  test('the wait in the response wins over the default', () => {
    const body = { error: { code: '1302', message: 'Rate limit reached' } }
    expect(errorFor(429, body, { 'retry-after': '90' }).retryAfterMs).toBe(90_000)
  })
})

test('a frame without an error is no error', () => {
  for (const frame of [undefined, 'text', [], {}, { choices: [] }, { error: null }, { code: 200, success: true }])
    expect(errors.ofFrame(frame, now)).toBeUndefined()
})

test.each([
  ['1002', 'invalid-credential'],
  ['1113', 'model-unavailable'],
  ['1302', 'concurrency-limited'],
  ['1303', 'concurrency-limited'],
  ['1305', 'model-overloaded'],
  ['1304', 'invalid-credential'],
  ['1308', 'invalid-credential'],
  ['1309', 'invalid-credential'],
  ['1310', 'invalid-credential'],
  ['1311', 'model-unavailable'],
  ['1312', 'model-overloaded'],
  ['1313', 'invalid-credential'],
  ['1316', 'invalid-credential'],
  ['1317', 'invalid-credential'],
  ['1321', 'invalid-credential'],
  ['1210', 'none'],
  ['1234', 'again'],
])('after %s the recovery is %s', (code, recovery) =>
  expect(errors.recoveryOf(coded(400, code, 'x'))).toBe(recovery as never),
)

test('an unknown code is not retried', () => {
  expect(errors.recoveryOf(new GatewayError('timeout', 'late'))).toBe('none')
})
