import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import { bodyError, emptyResponse, frameError, recoveryOf } from '../../../src/upstreams/zai-web/errors.ts'

const refresh = 'Please refresh the page to update the app, then try again.'
const firewallPage =
  '<!doctypehtml><title>405</title><h1>405</h1><p>blocked</p><a href="https://errors.aliyun.com/">help</a>'

describe('a frame', () => {
  test.each<[string, unknown, string]>([
    ['without an error is none', { type: 'chat:completion', data: { delta_content: 'error' } }, 'none'],
    ['with a null error is none', { error: null, data: { error: null } }, 'none'],
    ['with an empty error text is none', { data: { error: '' } }, 'none'],
    ['that is no object is none', '[DONE]', 'none'],
    [
      'asks for a captcha by its code, in the words of the outdated client',
      wrapped({ code: 'FRONTEND_CAPTCHA_REQUIRED', detail: refresh }),
      'captcha_required',
    ],
    [
      'asks for a captcha by error_code',
      wrapped({ error_code: 'FRONTEND_CAPTCHA_REQUIRED', detail: refresh }),
      'captcha_required',
    ],
    [
      'asks for a captcha by its type alone',
      wrapped({ captcha_error_type: 'verify_failed', detail: refresh }),
      'captcha_required',
    ],
    ['says the same words without a captcha', wrapped({ detail: refresh }), 'upstream_client_outdated'],
    ['says them in Chinese', wrapped({ detail: '请刷新页面以更新应用后重试。' }), 'upstream_client_outdated'],
    ['has the code of an outdated client', wrapped({ code: 426, detail: 'x' }), 'upstream_client_outdated'],
    ['has a numeric code of concurrency', wrapped({ code: 429, detail: refresh }), 'rate_limit_exceeded'],
    ['has a named code of concurrency', wrapped({ code: 'MODEL_CONCURRENCY_LIMIT' }), 'rate_limit_exceeded'],
    ['tells of capacity in words', { error: 'The model is currently at capacity.' }, 'rate_limit_exceeded'],
    ['tells of capacity beside 429', { error: { code: 429, detail: 'Currently at capacity.' } }, 'rate_limit_exceeded'],
    ['closes a model to an account', wrapped({ code: 403, detail: 'no' }), 'model_not_available'],
    ['says that a token is dead', wrapped({ code: '401', detail: 'no' }), 'upstream_auth_failed'],
    ['fails inside', wrapped({ code: 'INTERNAL_ERROR', detail: 'Something went wrong.' }), 'upstream_error'],
    ['fails with a text at the top', { error: 'Internal Server Error', code: 500 }, 'upstream_error'],
    ['has its error at data.data', { data: { data: { error: { code: 429 } } } }, 'rate_limit_exceeded'],
    ['has its error at data.inner', { data: { inner: { error: { code: 429 } } } }, 'rate_limit_exceeded'],
    ['has its message in message', wrapped({ message: refresh }), 'upstream_client_outdated'],
  ])('%s', (_name, frame, code) => {
    expect(frameError(frame)?.code ?? 'none').toBe(code)
  })
})

describe('a plain HTTP answer', () => {
  const json = 'application/json'
  const html = 'text/html; charset=utf-8'
  test.each<[string, [number, string, string], string, number]>([
    ['401 with a detail', [401, json, '{"detail":"401 Unauthorized"}'], 'upstream_auth_failed', 403],
    ['401 without a body', [401, '', ''], 'upstream_auth_failed', 403],
    [
      '400 about the signature',
      [400, json, '{"detail":"403: Signature validation failed: 签名验证失败"}'],
      'upstream_signature_rejected',
      502,
    ],
    ['404 about the model', [404, json, '{"detail":"Model not found"}'], 'model_not_found', 404],
    [
      '403 about the signature',
      [403, json, '{"detail":"Signature validation failed"}'],
      'upstream_signature_rejected',
      502,
    ],
    [
      '429 with a detail',
      [429, json, '{"detail":"Your current concurrent conversation limit has been reached."}'],
      'rate_limit_exceeded',
      429,
    ],
    ['429 without a body', [429, '', ''], 'rate_limit_exceeded', 429],
    [
      '200 with an error in JSON',
      [200, json, JSON.stringify({ error: { code: 'FRONTEND_CAPTCHA_REQUIRED', detail: refresh } })],
      'captcha_required',
      403,
    ],
    [
      '200 with a detail in JSON',
      [200, json, JSON.stringify({ detail: { code: 426, message: 'old' } })],
      'upstream_client_outdated',
      502,
    ],
    ['200 with JSON that says nothing', [200, json, '{"ok":true}'], 'upstream_malformed', 502],
    ['200 with a page', [200, html, '<!doctype html><title>Z.ai</title>'], 'upstream_malformed', 502],
    ['405 with a page', [405, html, firewallPage], 'upstream_blocked', 403],
    ['403 with a page', [403, html, '<html></html>'], 'upstream_blocked', 403],
    ['a page that calls itself nothing', [405, '', firewallPage], 'upstream_blocked', 403],
    ['405 in JSON', [405, json, '{"detail":"Method Not Allowed"}'], 'upstream_error', 502],
    ['502 with a page', [502, html, '<html><title>502 Bad Gateway</title></html>'], 'upstream_error', 502],
    ['422 with a list of complaints', [422, json, '{"detail":[{"msg":"field required"}]}'], 'upstream_error', 502],
  ])('%s', (_name, [status, contentType, body], code, clientStatus) => {
    const error = bodyError(status, contentType, body)
    expect([error.code, error.status]).toEqual([code, clientStatus])
  })

  test('a page of a broken server gives its title, not its markup', () => {
    expect(bodyError(502, html, '<html><title>502 Bad Gateway</title><p>x</p></html>').message).toBe(
      'Z.AI could not answer and says: 502 Bad Gateway. Try again, or choose another model.',
    )
  })
})

test('the message of an unknown error is quoted in one line of 300 units', () => {
  const message = frameError({ error: { code: 'NEW', detail: `Oh\n no: ${'🌡'.repeat(400)}` } })?.message ?? ''
  expect(message).toStartWith('Z.AI could not answer and says: Oh no: 🌡')
  expect(message.length).toBeLessThan(400)
  expect(message.isWellFormed()).toBe(true)
})

test('the message of a known error is only in the log', () => {
  const error = frameError(wrapped({ code: 403, detail: 'level 7 only' }))
  expect(error?.message).not.toContain('level 7 only')
  expect(error?.detail).toEqual({ code: '403', status: undefined, text: 'level 7 only' })
})

test('a rate limit tells the client how long to wait', () => {
  expect(frameError({ error: { code: 429 } })?.retryAfterMs).toBe(10_000)
})

test.each<[string, GatewayError | undefined, ReturnType<typeof recoveryOf>]>([
  ['a dead token', bodyError(401, '', ''), 'invalid-credential'],
  ['the firewall', bodyError(405, 'text/html', firewallPage), 'new-version'],
  ['an outdated client', frameError({ error: { code: 426 } }), 'new-version'],
  ['a rejected signature', frameError({ error: 'signature' }), 'new-version'],
  ['an unknown failure', frameError({ error: { code: 'INTERNAL_ERROR' } }), 'again'],
  ['an empty reply', emptyResponse(), 'again'],
  ['a failed connection', new GatewayError('upstream-unavailable', 'x'), 'again'],
  ['a captcha', frameError({ error: { code: 'FRONTEND_CAPTCHA_REQUIRED' } }), 'none'],
  ['a closed model', frameError({ error: { code: 403 } }), 'none'],
  ['too many chats', frameError({ error: { code: 429 } }), 'account-concurrency-limited'],
  ['too many chats with the model', frameError({ error: { code: 'MODEL_CONCURRENCY_LIMIT' } }), 'concurrency-limited'],
  [
    'a model at capacity',
    frameError({ error: { code: 429, detail: 'It is currently at capacity.' } }),
    'concurrency-limited',
  ],
  ['a long silence', new GatewayError('timeout', 'x'), 'none'],
])('%s has its recovery', (_name, error, recovery) => {
  expect(error && recoveryOf(error)).toBe(recovery)
})

function wrapped(error: object): object {
  return { type: 'chat:completion', data: { data: { done: true, error }, error, done: true } }
}
