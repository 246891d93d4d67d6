import { describe, expect, test } from 'bun:test'
import { budgetText, readBudget } from '../../src/keys/budget.ts'
import { readKeyChange } from '../../src/keys/change.ts'
import { newSecret } from '../../src/keys/secret.ts'

const now = Date.parse('2026-11-30T12:00:00Z')
const dialects = ['openai-chat', 'openai-responses', 'anthropic-messages']
const secret = newSecret((bytes) => bytes.fill(7))
const upstreams = ['zai-api', 'zai-coding']
const read = (members: unknown) => readKeyChange(members, { now, dialects, upstreams })

describe('budgets', () => {
  test.each([
    ['usd:20/month', { unit: 'usd', limit: 20, window: 'month' }],
    ['usd:0.5/day', { unit: 'usd', limit: 0.5, window: 'day' }],
    ['tokens:2m/day', { unit: 'tokens', limit: 2_000_000, window: 'day' }],
    ['tokens:1.5K/1h', { unit: 'tokens', limit: 1_500, window: '1h' }],
    ['credits:500/5h', { unit: 'credits', limit: 500, window: '5h' }],
    ['credits:500/total', { unit: 'credits', limit: 500, window: 'total' }],
  ] as const)('%s', (text, budget) => {
    expect(readBudget(text)).toEqual(budget)
    expect(readBudget(budgetText(budget))).toEqual(budget)
  })

  test.each([
    ['20', 'expected UNIT:AMOUNT/WINDOW'],
    ['usd:20', 'expected UNIT:AMOUNT/WINDOW'],
    ['eur:20/month', 'expected the unit usd, tokens, credits'],
    ['usd:/month', 'expected an amount above 0'],
    ['usd:0/month', 'expected an amount above 0'],
    ['usd:-1/month', 'expected an amount above 0'],
    ['usd:1e3/month', 'expected an amount above 0'],
    ['usd:99999999/month', 'expected an amount above 0 and up to 1000000 usd'],
    ['tokens:0.5/day', 'expected a whole number of tokens'],
    ['tokens:5/year', 'expected the window 5h'],
    ['tokens:5/0h', 'expected the window 5h'],
  ])('%s is refused', (text, reason) => {
    expect(readBudget(text)).toContain(reason)
    expect(() => read({ budget: text })).toThrow(`budget: ${reason}`)
  })
})

test('text and JSON say the same', () => {
  const text = {
    name: ' ci ',
    models: 'glm-4.*, glm-5.3,glm-5.3',
    upstreams: 'zai-api',
    dialects: 'openai',
    rpm: '60',
    tpm: '200k',
    parallel: '4',
    budget: 'usd:20/month,tokens:2m/day',
    expires: '2027-01-31',
  }
  const json = {
    name: 'ci',
    models: ['glm-4.*', 'glm-5.3'],
    upstreams: ['zai-api'],
    dialects: ['openai-chat', 'openai-responses'],
    rpm: 60,
    tpm: 200_000,
    parallel: 4,
    budgets: [{ unit: 'tokens', limit: 2_000_000, window: 'day' }, 'usd:20/month'],
    expires_at: Date.parse('2027-01-31T00:00:00Z'),
  }
  const expected = {
    ...{
      name: 'ci',
      models: json.models,
      upstreams: ['zai-api'],
      dialects: json.dialects,
      rpm: 60,
      tpm: 200_000,
      parallel: 4,
    },
    budgets: [
      { unit: 'tokens', limit: 2_000_000, window: 'day' },
      { unit: 'usd', limit: 20, window: 'month' },
    ],
    expiresAt: json.expires_at,
  }
  expect(read(text)).toEqual(expected as ReturnType<typeof read>)
  expect(read(json)).toEqual(expected as ReturnType<typeof read>)
})

test('none and null take a limit away, and what is not named stays', () => {
  expect(read({})).toEqual({})
  const none = {
    models: null,
    upstreams: null,
    dialects: null,
    rpm: null,
    tpm: null,
    parallel: null,
    budgets: null,
    expiresAt: null,
  }
  for (const word of [null, 'none']) {
    const members = Object.fromEntries(
      ['models', 'upstreams', 'dialects', 'rpm', 'tpm', 'parallel', 'budgets', 'expires'].map((name) => [name, word]),
    )
    expect(read(members)).toEqual(none)
  }
})

test.each([
  ['mcp.example.com,https://mcp.example.org/mcp', ['mcp.example.com', 'https://mcp.example.org/mcp']],
  [
    ['127.0.0.1:3000', '[::1]:3000', '*'],
    ['127.0.0.1:3000', '[::1]:3000', '*'],
  ],
  ['off', []],
  [[], []],
  ['none', null],
  [null, null],
])('the MCP servers %j are %j', (value, expected) => {
  expect(read({ mcp_servers: value })).toEqual({ mcpServers: expected })
  expect(read({ 'mcp-servers': value })).toEqual({ mcpServers: expected })
})

describe('an expiry', () => {
  test.each([
    ['2027-01-31T18:00Z', '2027-01-31T18:00:00.000Z'],
    ['2027-01-31T18:00:30', '2027-01-31T18:00:30.000Z'],
    ['2027-01-31T18:00+08:00', '2027-01-31T10:00:00.000Z'],
    ['2028-02-29', '2028-02-29T00:00:00.000Z'],
    ['30d', '2026-12-30T12:00:00.000Z'],
    ['12h', '2026-12-01T00:00:00.000Z'],
  ])('%s', (text, expected) => {
    expect(read({ expires: text })).toEqual({ expiresAt: Date.parse(expected) })
  })

  test.each(['2027-02-30', '2027-13-01', '31.1.2027', 'soon', '', '2027-01-31Z', 5.5, true, 9e15, 1e300, -1e300])(
    '%j is none',
    (value) => {
      expect(() => read({ expires_at: value })).toThrow('expires_at: expected a date such as 2027-01-31')
    },
  )

  test('that is over is refused', () => {
    expect(() => read({ expires: '2026-11-30' })).toThrow('expires: 2026-11-30T00:00:00.000Z is over already')
  })
})

test.each<[unknown, string]>([
  [[], 'body: expected an object'],
  [{ nmae: 'x' }, 'nmae: unknown; a key has name, models'],
  [{ name: '' }, 'name: expected 1 to 64 characters'],
  [{ name: 'a\nb' }, 'name: expected 1 to 64 characters'],
  [{ name: 'ci\u3164' }, 'name: expected 1 to 64 characters that can be seen'],
  [{ name: 'key_0123456789abcdef01234567' }, 'name: this is how the gateway itself names keys'],
  [{ name: 'z2a_7Kq2mD' }, 'name: this is how the gateway itself names keys'],
  [{ name: 'Auth_Token' }, 'name: this is how the gateway itself names keys'],
  [{ name: 'local' }, 'name: this is how the gateway itself names keys'],
  [{ name: 7 }, 'name: expected 1 to 64 characters'],
  [{ name: `ci ${secret}` }, 'name: holds the secret of a key'],
  [{ models: [] }, 'models: expected 1 to 100 names'],
  [{ models: `glm-4.6,${secret}` }, 'models: holds the secret of a key'],
  [{ models: ['a b'] }, 'models: expected 1 to 100 names'],
  [{ models: [7] }, 'models: expected 1 to 100 names'],
  [{ dialects: 'grpc' }, 'dialects: expected some of openai-chat, openai-responses, anthropic-messages'],
  [{ mcp_servers: 'mcp.example.com,ftp://x' }, 'mcp_servers: ftp://x is not *, a host such as'],
  [{ mcp_servers: ['user@mcp.example.com'] }, 'mcp_servers: user@mcp.example.com is not *, a host such as'],
  [{ rpm: 0 }, 'rpm: expected a whole number, 1 or more'],
  [{ tpm: '1.5' }, 'tpm: expected a whole number, 1 or more'],
  [{ parallel: true }, 'parallel: expected a whole number, 1 or more'],
  [{ disabled: 'yes' }, 'disabled: expected true or false'],
  [{ budgets: 7 }, 'budgets: expected a list of budgets'],
  [{ budgets: [{ unit: 'usd', limit: 0, window: 'day' }] }, 'budgets.0: expected an amount above 0'],
  [{ budgets: [{ unit: 'usd', limit: 1e-12, window: 'day' }] }, 'budgets.0: expected an amount above 0'],
  [{ budgets: ['usd:1/day', 'usd:2/day'] }, 'budgets: there are two budgets of usd a day'],
])('%j is refused', (members, reason) => {
  expect(() => read(members)).toThrow(reason)
})
