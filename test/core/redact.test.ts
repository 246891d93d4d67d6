import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { createRedactor } from '../../src/core/known-secrets.ts'
import { quote, redactError } from '../../src/core/redact.ts'

const key = `${'5ec2e7'.repeat(5)}ab.PlantedApiKey1`

describe('a quotation holds no credential', () => {
  test.each<[string, string, string]>([
    ['a header', `Bad header Authorization: Bearer ${key} was sent`, 'Bad header Authorization: [redacted] was sent'],
    ['a header in JSON', '{"authorization":"Bearer abcdef123"}', '{"authorization":"[redacted]"}'],
    [
      'a header in JSON in JSON',
      '{\\"authorization\\":\\"Bearer abcdef123\\"}',
      '{\\"authorization\\":\\"[redacted]\\"}',
    ],
    [
      'headers in a list',
      "headers={'x-api-key': 'plainword9', 'accept': '*/*'}",
      "headers={'x-api-key': '[redacted]', 'accept': '*/*'}",
    ],
    ['basic credentials', 'Proxy-Authorization=Basic dXNlcjpwYXNz', 'Proxy-Authorization=[redacted]'],
    ['a cookie', 'Cookie: token=abcdefgh; path=/', 'Cookie: [redacted]; path=/'],
    ['a query', 'GET /v1?token=abcdefgh&x=1', 'GET /v1?token=[redacted]&x=1'],
    ['a web token alone', 'no such user eyJhbGciOi.eyJpZCI6.c2ln', 'no such user [redacted]'],
    ['a vendor’s key', 'Incorrect API key provided: sk-abcdefghijkl.', 'Incorrect API key provided: [redacted].'],
    ['a bearer without a name', 'got "Bearer secretvalue1"', 'got "[redacted]"'],
    ['a key alone', `cannot use ${key}`, 'cannot use [redacted]'],
    ['several lines', 'one\n two\tthree', 'one two three'],
  ])('%s', (_what, text, quoted) => {
    expect(quote(text)).toBe(quoted)
  })

  test.each([
    'The token limit is 8192 tokens.',
    'Authorization failed: try again',
    'max_tokens: expected a number, got "12"',
    'Invalid parameter temperature=2.5',
    '余额不足或无可用资源包,请充值。',
  ])('%s stays as it is', (text) => {
    expect(quote(text)).toBe(text)
  })

  test('a long quotation is cut between words, so that no half of a secret is left', () => {
    const secret = 'Zq9'.repeat(40)
    const text = `${'word '.repeat(50)}${secret} and more ${'word '.repeat(20)}`
    expect(quote(text)).toBe(`${'word '.repeat(50).trim()}…`)
    expect(quote('错'.repeat(400))).toBe(`${'错'.repeat(299)}…`)
  })

  // With the patterns over all of it, each of these would take minutes.
  test.each([
    ['one long word', 'A'.repeat(2_000_000), '…'],
    ['beginnings of web tokens', `bad ${'eyJ'.repeat(700_000)}`, 'bad…'],
    ['a secret that is longer than what is searched', `bad token=${'Zq9'.repeat(700_000)} end`, 'bad…'],
    ['words', 'word '.repeat(400_000), `${'word '.repeat(59).trim()}…`],
  ])('a text of millions of characters is quoted at once: %s', (_what, text, quoted) => {
    expect(quote(text)).toBe(quoted)
  })

  test('what is left of a long text when its credentials are gone has no half of one', () => {
    const text = `bad token=${'Zq9'.repeat(1000)} then ${'Xw7'.repeat(1000)} end`
    expect(quote(text)).toBe('bad token=[redacted] then…')
  })
})

test('known secrets are removed from the message of an error, and nothing else changes', () => {
  const redact = createRedactor(['longer-secret'])
  const facts = {
    code: 'c',
    param: 'p',
    retryAfterMs: 5,
    retry: false,
    status: 418,
    details: { d: 1 },
    overflow: { tokens: 2, maximum: 1 },
  }
  const error = redactError(new GatewayError('rate-limited', 'says longer-secret', facts), redact)
  expect(error).toMatchObject({ kind: 'rate-limited', message: 'says [redacted]', ...facts })
  const harmless = new GatewayError('internal', 'nothing')
  expect(redactError(harmless, redact)).toBe(harmless)
})
