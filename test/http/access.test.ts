import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Caller, CallerPolicy } from '../../src/core/caller.ts'
import type { CredentialScope } from '../../src/core/dialect.ts'
import { type AccessOptions, createAccess, type Requirement } from '../../src/http/access.ts'
import { type ClientKeyOptions, clientKeys, digestOf } from '../../src/http/client-keys.ts'
import { createWrongKeys } from '../../src/http/wrong-keys.ts'
import { operatorsOf } from '../support/operators.ts'

const policy: CallerPolicy = { requests: { perMinute: 7, setting: 'RATE_LIMIT_RPM' } }
const access = (keys: Omit<ClientKeyOptions, 'policy'>, corsOrigins: string[] = []): AccessOptions => ({
  keys: clientKeys({ ...keys, policy }),
  policy,
  corsOrigins,
})
const accessOf = (options: AccessOptions) =>
  createAccess(options, {
    keyHeaders: ['api-key', 'x-api-key'],
    operators: operatorsOf(() => options),
    wrongKeys: createWrongKeys(systemClock, () => '192.0.2.1'),
  })
const keyed = access({ openaiKey: 'sk-open', anthropicKey: 'sk-anth' })
const oneKey = access({ openaiKey: 'sk-open' })
const sameKey = access({ openaiKey: 'sk-open', anthropicKey: 'sk-open' })
const keyless = access({}, ['https://ui.example'])

const foreignBearer = { authorization: 'Bearer sk-of-another-house' }
const foreignKey = { 'x-api-key': 'sk-ant-of-another-house' }

const chat: Requirement = { access: 'client', credentials: 'openai' }
const messages: Requirement = { access: 'client', credentials: 'anthropic' }
const models: Requirement = { access: 'client' }

/** `in`, or the code of the refusal. */
function verdict(
  options: AccessOptions,
  requirement: Requirement,
  headers: Record<string, string> = {},
  path = '/v1/chat/completions',
) {
  try {
    accessOf(options)(new Request(`http://localhost${path}`, { headers }), requirement)
    return 'in'
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${'status' in error ? error.status : ''} ${error.code}` : error
  }
}

const apis: CredentialScope[] = ['openai', 'anthropic']
const master: Caller = { keyId: 'master', label: 'AUTH_TOKEN', scope: ['operator', 'openai'], policy }
const masterOfBoth: Caller = { ...master, scope: ['operator', ...apis] }
const local: Caller = { ...masterOfBoth, label: 'local' }
const anthropic: Caller = { keyId: 'anthropic', label: 'ANTHROPIC_API_KEY', scope: ['anthropic'], policy }
const nobody: Caller = { keyId: 'anonymous', label: 'anonymous', scope: [], policy: {} }
const bothOfOurs = { authorization: 'Bearer sk-anth', 'x-api-key': 'sk-open' }

test.each<[string, AccessOptions, Requirement, Record<string, string>, Caller]>([
  ['by AUTH_TOKEN', keyed, chat, { authorization: 'Bearer sk-open' }, master],
  ['by ANTHROPIC_API_KEY', keyed, messages, { 'x-api-key': 'sk-anth' }, anthropic],
  ['where either will do', keyed, models, { 'x-api-key': 'sk-anth' }, anthropic],
  ['by the first of two keys of ours', keyed, models, bothOfOurs, anthropic],
  ['by the one of them that fits', keyed, chat, bothOfOurs, master],
  ['by the one key there is', oneKey, messages, { 'x-api-key': 'sk-open' }, masterOfBoth],
  ['by the same key in both', sameKey, messages, { 'x-api-key': 'sk-open' }, masterOfBoth],
  ['as nobody on an open page', keyed, { access: 'open' }, { authorization: 'Bearer sk-open' }, nobody],
  ['where no key is needed', keyless, chat, { authorization: 'Bearer whatever' }, local],
])('a caller is known %s, and never by the key itself', (_name, options, requirement, headers, caller) => {
  const request = new Request('http://localhost/v1/chat/completions', { headers })
  expect(accessOf(options)(request, requirement)).toEqual(caller)
})

test.each<[string, AccessOptions, Requirement, string]>([
  ['the one key there is', oneKey, models, 'AUTH_TOKEN'],
  ['the one key in both variables', sameKey, models, 'AUTH_TOKEN'],
  ['either of two', keyed, models, 'AUTH_TOKEN or ANTHROPIC_API_KEY'],
  ['the key of Anthropic’s API', keyed, messages, 'ANTHROPIC_API_KEY'],
])('a wrong key is told to be %s', (_name, options, requirement, variables) => {
  const request = new Request('http://localhost/v1/models', { headers: { 'x-api-key': 'sk-wrong' } })
  expect(() => accessOf(options)(request, requirement)).toThrow(
    new Error(`The key is not the one this gateway was given: send the value of ${variables}.`),
  )
})

test.each<[string, Requirement, string]>([
  ['a dialect names that', { ...messages, keyHeaders: ['x-api-key'] }, ' or `x-api-key: <key>`'],
  ['a dialect without headers of its own names none', { ...chat, keyHeaders: [] }, ''],
  ['a route of no dialect names all', models, ' or `api-key: <key>` or `x-api-key: <key>`'],
])('where a key is missing, the header of %s', (_name, requirement, others) => {
  expect(() => accessOf(keyed)(new Request('http://localhost/v1/models'), requirement)).toThrow(
    new Error(`This gateway needs its key: send it as \`Authorization: Bearer <key>\`${others}.`),
  )
})

test('a key for some dialects opens those alone', () => {
  const caller: Caller = { keyId: 'k1', label: 'ann', scope: ['openai'], policy: { dialects: ['openai-chat'] } }
  const options = { ...keyed, keys: [{ digest: digestOf('sk-ann'), caller, variable: 'AUTH_TOKEN' }] }
  const headers = { authorization: 'Bearer sk-ann' }
  expect(verdict(options, { ...chat, dialect: 'openai-chat' }, headers)).toBe('in')
  expect(verdict(options, models, headers)).toBe('in')
  expect(verdict(options, { ...chat, dialect: 'openai-responses' }, headers)).toBe('403 dialect_not_allowed')
})

describe('with a key', () => {
  test.each<[string, Requirement, Record<string, string>, string]>([
    ['a bearer key opens', chat, { authorization: 'Bearer sk-open' }, 'in'],
    ['the scheme is read in any case', chat, { authorization: 'bearer sk-open' }, 'in'],
    ['x-api-key opens', chat, { 'x-api-key': 'sk-open' }, 'in'],
    ['api-key opens', chat, { 'api-key': 'sk-open' }, 'in'],
    // OpenAI looks at Bearer alone, and Anthropic refuses a wrong `x-api-key` whatever else comes. Claude Code sends
    // the key of its gateway as Bearer and one of Anthropic's own beside it; which one is ours is for us to see.
    ['a foreign bearer beside our api-key does not shut', chat, { ...foreignBearer, 'api-key': 'sk-open' }, 'in'],
    ['nor beside our x-api-key', chat, { ...foreignBearer, 'x-api-key': 'sk-open' }, 'in'],
    ['nor a foreign x-api-key beside our bearer', chat, { ...foreignKey, authorization: 'Bearer sk-open' }, 'in'],
    ['nor beside our api-key', chat, { ...foreignKey, 'api-key': 'sk-open' }, 'in'],
    ['for Anthropic, too: a foreign bearer', messages, { ...foreignBearer, 'x-api-key': 'sk-anth' }, 'in'],
    ['and a foreign x-api-key', messages, { ...foreignKey, authorization: 'Bearer sk-anth' }, 'in'],
    ['two foreign keys open nothing', messages, { ...foreignKey, ...foreignBearer }, '401 invalid_api_key'],
    ['no key does not', chat, {}, '401 missing_api_key'],
    ['a wrong key does not', chat, { authorization: 'Bearer sk-wrong' }, '401 invalid_api_key'],
    ['a wrong api-key does not', chat, { 'api-key': 'sk-wrong' }, '401 invalid_api_key'],
    ['a longer key does not', chat, { authorization: 'Bearer sk-open2' }, '401 invalid_api_key'],
    ['an empty key does not', chat, { 'x-api-key': '' }, '401 invalid_api_key'],
    ['a bare key does not', chat, { authorization: 'sk-open' }, '401 missing_api_key'],
    ['the Anthropic API has its own', messages, { 'x-api-key': 'sk-anth' }, 'in'],
    ['and refuses the other', messages, { 'x-api-key': 'sk-open' }, '401 invalid_api_key'],
    ['as the OpenAI API does', chat, { 'x-api-key': 'sk-anth' }, '401 invalid_api_key'],
    ['what is of both takes either', models, { 'x-api-key': 'sk-open' }, 'in'],
    ['of the two', models, { 'x-api-key': 'sk-anth' }, 'in'],
    ['but needs one', models, {}, '401 missing_api_key'],
    ['the operator has AUTH_TOKEN', { access: 'operator' }, { authorization: 'Bearer sk-open' }, 'in'],
    ['and no other', { access: 'operator' }, { authorization: 'Bearer sk-anth' }, '401 invalid_api_key'],
    ['an open page needs none', { access: 'open' }, {}, 'in'],
    ['health needs none', { access: 'health' }, {}, 'in'],
    ['any host will do', chat, { host: 'api.example', authorization: 'Bearer sk-open' }, 'in'],
    ['and any proxy', chat, { 'x-forwarded-for': '10.0.0.1', authorization: 'Bearer sk-open' }, 'in'],
  ])('%s', (_name, requirement, headers, expected) => {
    expect(verdict(keyed, requirement, headers)).toBe(expected)
  })

  test('the query string is not looked at', () => {
    const path = '/v1/chat/completions?key=sk-open&api_key=sk-open&api-key=sk-open'
    expect(verdict(keyed, chat, {}, path)).toBe('401 missing_api_key')
  })

  test('the one key there is opens both APIs', () => {
    expect(verdict(oneKey, messages, { 'x-api-key': 'sk-open' })).toBe('in')
    expect(verdict(oneKey, messages)).toBe('401 missing_api_key')
  })
})

describe('with a key of the operator', () => {
  const own = access({ openaiKey: 'sk-open', anthropicKey: 'sk-anth', operatorKey: 'sk-admin' })
  const alone = access({ operatorKey: 'sk-admin' })

  test.each<[string, AccessOptions, Requirement, Record<string, string>, string]>([
    ['it opens what is the operator’s', own, { access: 'operator' }, { authorization: 'Bearer sk-admin' }, 'in'],
    ['in place of AUTH_TOKEN', own, { access: 'operator' }, { authorization: 'Bearer sk-open' }, '401 invalid_api_key'],
    ['and nothing else', own, chat, { authorization: 'Bearer sk-admin' }, '401 invalid_api_key'],
    ['not even the models', own, models, { authorization: 'Bearer sk-admin' }, '401 invalid_api_key'],
    ['clients keep their keys', own, chat, { authorization: 'Bearer sk-open' }, 'in'],
    ['or need none', alone, chat, {}, 'in'],
    ['which is no way to the operator’s', alone, { access: 'operator' }, {}, '401 missing_api_key'],
    ['that has its key', alone, { access: 'operator' }, { 'x-api-key': 'sk-admin' }, 'in'],
  ])('%s', (_name, options, requirement, headers, expected) => {
    expect(verdict(options, requirement, headers)).toBe(expected)
  })
})

describe('without a key', () => {
  test.each<[string, Record<string, string>, string]>([
    ['any key is accepted', { authorization: 'Bearer whatever' }, 'in'],
    ['none is needed', {}, 'in'],
    ['localhost is local', { host: 'localhost:8080' }, 'in'],
    ['127.1.2.3 is local', { host: '127.1.2.3:8080' }, 'in'],
    ['::1 is local', { host: '[::1]:8080' }, 'in'],
    ['so is a port of this machine that leads here', { host: 'localhost:9000' }, 'in'],
    ['a Host without the port is of a proxy', { host: 'localhost' }, '403 host_not_allowed'],
    ['an address without it, too', { host: '127.0.0.1' }, '403 host_not_allowed'],
    ['and one of IPv6', { host: '[::1]' }, '403 host_not_allowed'],
    ['or with the port of http', { host: 'localhost:80' }, '403 host_not_allowed'],
    ['a name that resolves here is not', { host: 'rebound.example:8080' }, '403 host_not_allowed'],
    ['a name that begins like loopback is not', { host: '127.0.0.1.example' }, '403 host_not_allowed'],
    ['a local page may call', { host: 'localhost:8080', origin: 'http://localhost:3000' }, 'in'],
    ['a foreign page may not', { host: 'localhost:8080', origin: 'https://evil.example' }, '403 origin_not_allowed'],
    ['a sandboxed page may not', { host: 'localhost:8080', origin: 'null' }, '403 origin_not_allowed'],
    ['a page the operator named may', { host: 'localhost:8080', origin: 'https://ui.example' }, 'in'],
  ])('%s', (_name, headers, expected) => {
    expect(verdict(keyless, chat, headers)).toBe(expected)
    expect(verdict(keyless, { access: 'open' }, headers)).toBe(expected)
  })

  test.each<[string, Record<string, string>, string]>([
    ['the operator needs none on this machine', { host: 'localhost:8080' }, 'in'],
    ['nor on its own page', { host: 'localhost:8080', origin: 'http://localhost:8080' }, 'in'],
    [
      'another page of this machine is no operator',
      { host: 'localhost:8080', origin: 'http://localhost:3000' },
      '403 origin_not_allowed',
    ],
    [
      'nor is one that the operator named',
      { host: 'localhost:8080', origin: 'https://ui.example' },
      '403 origin_not_allowed',
    ],
    ['nor is a name that resolves here', { host: 'rebound.example:8080' }, '403 host_not_allowed'],
    [
      'even where it is the own name of the page',
      { host: 'rebound.example', 'sec-fetch-site': 'same-origin' },
      '403 host_not_allowed',
    ],
  ])('%s', (_name, headers, expected) => {
    expect(verdict(keyless, { access: 'operator' }, headers)).toBe(expected)
    expect(verdict(keyless, { access: 'sign-in' }, headers)).toBe(expected)
  })

  test('who listens on port 80 is called without it', () => {
    expect(verdict({ ...keyless, port: 80 }, chat, { host: 'localhost' })).toBe('in')
    expect(verdict({ ...keyless, port: 80 }, { access: 'operator' }, { host: 'localhost' })).toBe('in')
  })

  test('health answers whatever the Host', () => {
    expect(verdict(keyless, { access: 'health' }, { host: 'rebound.example:8080' })).toBe('in')
    expect(verdict(keyless, { access: 'health' }, { origin: 'https://evil.example' })).toBe('in')
  })

  test.each([
    ['Forwarded', 'for=10.0.0.1'],
    ['X-Forwarded-For', '10.0.0.1'],
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Host', 'localhost'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Port', ''],
    ['X-Forwarded-Something-New', 'x'],
    ['X-Real-IP', '::1'],
    ['Via', '1.1 proxy'],
    ['X-Forwarded', 'for=10.0.0.1'],
    ['X-Original-Forwarded-For', '10.0.0.1'],
    ['X-Original-For', '10.0.0.1'],
    ['CF-Connecting-IP', '10.0.0.1'],
    ['True-Client-IP', '10.0.0.1'],
    ['X-Client-IP', '10.0.0.1'],
    ['X-Cluster-Client-IP', '10.0.0.1'],
    ['Fastly-Client-IP', '10.0.0.1'],
    ['X-Envoy-External-Address', '10.0.0.1'],
    ['X-Azure-ClientIP', '10.0.0.1'],
    ['CDN-Loop', 'cdn.example'],
    ['Client-IP', '10.0.0.1'],
    ['Tailscale-User-Login', 'me@example.com'],
    ['Cf-Ray', '8f1-FRA'],
    ['Cf-Ipcountry', 'DE'],
    ['Cf-Access-Jwt-Assertion', 'x'],
    ['X-Served-By', 'cache-fra'],
    ['X-Amzn-Trace-Id', 'Root=1-6'],
    ['X-Amz-Cf-Id', 'x'],
    ['X-Cloud-Trace-Context', '1/2;o=1'],
    ['X-Appengine-Country', 'DE'],
    ['Fly-Region', 'fra'],
    ['Fastly-FF', 'x'],
    ['X-Azure-Ref', 'x'],
    ['X-Azure-SocketIP', '10.0.0.1'],
    ['X-Original-URL', '/'],
    ['X-Vercel-Id', 'fra1::x'],
    ['X-Nf-Client-Connection-Ip', '10.0.0.1'],
    ['X-Remote-Addr', '10.0.0.1'],
    ['X-Varnish', '1'],
    ['X-Request-Start', 't=1'],
    ['Akamai-Origin-Hop', '1'],
    ['X-ARR-Log-Id', 'x'],
    ['Ngrok-Trace-Id', 'x'],
    ['Surrogate-Capability', 'abc="Surrogate/1.0"'],
  ])('nobody who comes through a proxy comes in: %s: %s', (name, value) => {
    for (const access of ['client', 'operator', 'sign-in', 'open', 'health'] as const)
      expect(verdict(keyless, { access }, { host: 'localhost:8080', [name]: value })).toBe('403 proxy_not_allowed')
  })

  test.each([
    ...['User-Agent', 'X-Request-Id', 'X-Client-Request-Id', 'X-Client-Name', 'X-Client-Version', 'Client-Id'],
    ...['Traceparent', 'Tracestate', 'Baggage', 'X-B3-TraceId', 'Sentry-Trace', 'X-Stainless-Retry-Count', 'X-App'],
    ...['Anthropic-Version', 'Anthropic-Beta', 'OpenAI-Organization', 'OpenAI-Beta', 'Originator', 'Session-Id'],
    ...['X-Claude-Code-Session-Id', 'X-Session-Affinity', 'HTTP-Referer', 'X-Title', 'X-Goog-Api-Client'],
    ...['X-GitHub-Api-Version', 'Editor-Version', 'X-Initiator', 'X-Amz-Date', 'Proxy-Connection', 'Connection'],
    ...['Cf-Aig-Metadata', 'Cf-Access-Client-Id', 'X-Vercel-Ai-Gateway-Name', 'X-Ms-Client-Request-Id', 'Priority'],
  ])('programs of this machine may send %s', (name) => {
    expect(verdict(keyless, chat, { host: 'localhost:8080', [name]: 'x' })).toBe('in')
  })

  test('whoever does hears what to do', () => {
    const request = new Request('http://localhost/v1/models', { headers: { 'x-forwarded-for': '10.0.0.1' } })
    expect(() => accessOf(keyless)(request, models)).toThrow(
      'Without AUTH_TOKEN this gateway answers to this machine only, and this request came through a proxy (x-forwarded-for): set AUTH_TOKEN, and give clients that key.',
    )
  })
})
