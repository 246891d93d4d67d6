import { beforeAll, describe, expect, test } from 'bun:test'
import type { AccessOptions } from '../../src/http/access.ts'
import { clientKeys } from '../../src/http/client-keys.ts'
import { manualClock } from '../support/clock.ts'
import { operatorsOf } from '../support/operators.ts'

const accessWith = (operatorKey: string | undefined, openaiKey?: string): AccessOptions => ({
  keys: clientKeys({ operatorKey, openaiKey, policy: {} }),
  policy: {},
  corsOrigins: ['https://ui.example'],
})
const keyed = accessWith('sk-admin', 'sk-open')

type Headers = Record<string, string>
const request = (headers: Headers = {}, method = 'GET') =>
  new Request('http://gw.example:8080/admin/api/now', { method, headers: { host: 'gw.example:8080', ...headers } })
const own = { origin: 'http://gw.example:8080' }
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** What `run` returns, or the status and code of its refusal with the tries that are left. */
function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (thrown) {
    const { status, code, details }: { status?: number; code?: string; details?: object } = Object(thrown)
    const left: unknown = Reflect.get(details ?? {}, 'attempts_left')
    return left === undefined ? `${status} ${code}` : `${status} ${code}, ${left} left`
  }
}

/** Signs in and returns the cookie as a browser sends it. */
async function signedIn(operators: ReturnType<typeof operatorsOf>, headers: Headers = own): Promise<string> {
  return (await operators.signIn(request(headers, 'POST'), 'sk-admin')).split(';')[0] ?? ''
}

describe('a page that has signed in', () => {
  const operators = operatorsOf(() => keyed)
  let cookie = ''
  beforeAll(async () => {
    cookie = await signedIn(operators)
  })
  const how = (headers: Headers, method?: string) =>
    outcome(() => operators.admit(request({ cookie, ...headers }, method)).how)

  test.each<[string, Headers, string, string]>([
    ['reads', {}, 'GET', 'cookie'],
    ['reads as its own page', { 'sec-fetch-site': 'same-origin' }, 'GET', 'cookie'],
    ['is typed into a browser', { 'sec-fetch-site': 'none' }, 'GET', 'cookie'],
    ['changes something by its Origin', own, 'POST', 'cookie'],
    ['changes something by what the browser says', { 'sec-fetch-site': 'same-origin' }, 'PATCH', 'cookie'],
    ['changes nothing without either', {}, 'POST', '403 origin_missing'],
    ['deletes nothing without either', {}, 'DELETE', '403 origin_missing'],
    ['changes nothing when it is typed', { 'sec-fetch-site': 'none' }, 'POST', '403 origin_missing'],
    ['is not another page', { origin: 'https://evil.example' }, 'POST', '403 origin_not_allowed'],
    ['nor one that may call the API', { origin: 'https://ui.example' }, 'GET', '403 origin_not_allowed'],
    ['nor a sandboxed one', { origin: 'null' }, 'POST', '403 origin_not_allowed'],
    ['nor one of another port', { origin: 'http://gw.example:3000' }, 'POST', '403 origin_not_allowed'],
    ['nor one of the same site', { ...own, 'sec-fetch-site': 'same-site' }, 'GET', '403 origin_not_allowed'],
    ['nor one of another site', { 'sec-fetch-site': 'cross-site' }, 'GET', '403 origin_not_allowed'],
    ['has no say under another Host', { host: 'rebound.example:8080' }, 'GET', '401 missing_api_key, 5 left'],
  ])('%s', (_name, headers, method, expected) => {
    expect(how(headers, method)).toBe(expected)
  })

  test('is not one whose cookie is made up', () => {
    const [name] = cookie.split('=')
    expect(outcome(() => operators.admit(request({ cookie: `${name}=${'A'.repeat(43)}` })))).toBe(
      '401 missing_api_key, 5 left',
    )
  })

  test('is found among the first cookies of its name, and many that were made up cost nothing', () => {
    const [name] = cookie.split('=')
    const madeUp = (count: number, letter: string, length = 43) =>
      Array.from({ length: count }, () => `${name}=${letter.repeat(length)}`).join('; ')
    expect(how({ cookie: `${madeUp(300, 'A', 5)}; ${madeUp(9, 'A')}; ${cookie}` })).toBe('cookie')
    expect(how({ cookie: `${madeUp(10, 'A')}; ${cookie}` })).toBe('401 missing_api_key, 5 left')
  })

  test('may call the APIs, too, and no other page may by its cookie', () => {
    expect(operators.pageCaller(request({ cookie, ...own }, 'POST'))?.scope).toEqual([
      'operator',
      'openai',
      'anthropic',
    ])
    const foreign = request({ cookie, origin: 'https://ui.example' }, 'POST')
    expect(outcome(() => operators.pageCaller(foreign))).toBe('403 origin_not_allowed')
    expect(operators.pageCaller(request(own, 'POST'))).toBeUndefined()
  })
})

describe('a session', () => {
  test('has a cookie that no script and no other site gets', async () => {
    const operators = operatorsOf(() => keyed)
    const plain = await operators.signIn(request(own, 'POST'), 'sk-admin')
    expect(plain).toMatch(/^zai2api_8080=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800$/)
    const secure = await operators.signIn(
      request({ host: 'gw.example', origin: 'https://gw.example' }, 'POST'),
      'sk-admin',
    )
    expect(secure).toMatch(/^zai2api_page=[\w-]{43}; .*; Secure$/)
  })

  test('ends when its page signs out', async () => {
    const operators = operatorsOf(() => keyed)
    const cookie = await signedIn(operators)
    expect(await operators.signOut(request({ cookie, ...own }, 'DELETE'))).toContain('zai2api_8080=; ')
    expect(outcome(() => operators.admit(request({ cookie })))).toBe('401 missing_api_key, 5 left')
  })

  test.each([
    ['after 12 hours without a request', [12 * 60 + 1]],
    ['after a week in any case', Array.from({ length: 16 }, () => 11 * 60)],
  ])('ends %s', async (_name, minutes) => {
    const clock = manualClock()
    const operators = operatorsOf(() => keyed, { clock })
    const cookie = await signedIn(operators)
    const isIn = () => outcome(() => operators.admit(request({ cookie })).how) === 'cookie'
    const seen = minutes.map((pause) => {
      clock.advance(pause * 60_000)
      return isIn()
    })
    expect(seen).toEqual(minutes.map((_, index) => index < minutes.length - 1))
  })

  test('ends when the key of the operator is another', async () => {
    let access = keyed
    const operators = operatorsOf(() => access)
    const cookie = await signedIn(operators)
    access = accessWith('sk-other', 'sk-open')
    expect(outcome(() => operators.admit(request({ cookie })))).toBe('401 missing_api_key, 5 left')
  })
})

describe('wrong keys', () => {
  const guess = (operators: ReturnType<typeof operatorsOf>, key: string, headers: Headers = {}) =>
    outcome(() => operators.admit(request({ ...bearer(key), ...headers })).how)

  test('are counted, and five a minute are told so; the right one is let in at any time', async () => {
    const clock = manualClock()
    const operators = operatorsOf(() => keyed, { clock })
    const guesses = ['a', 'b', 'c', 'd', 'e', 'f', 'sk-admin', 'g'].map((key) => guess(operators, key))
    expect(guesses).toEqual([
      ...[4, 3, 2, 1, 0].map((left) => `401 invalid_api_key, ${left} left`),
      '429 too_many_attempts, 0 left',
      'token',
      '429 too_many_attempts, 0 left',
    ])
    await expect(operators.signIn(request(own, 'POST'), 'h')).rejects.toMatchObject({ code: 'too_many_attempts' })
    expect(await signedIn(operators)).toStartWith('zai2api_8080=')
    clock.advance(60_000)
    expect(guess(operators, 'g')).toBe('401 invalid_api_key, 4 left')
  })

  test('that are always the same one use up one try', () => {
    const operators = operatorsOf(() => keyed)
    for (let times = 0; times < 10; times++) expect(guess(operators, 'stale')).toBe('401 invalid_api_key, 4 left')
    expect(guess(operators, 'sk-admin')).toBe('token')
  })

  test('of one place count nowhere else, whatever the headers say of the way here', async () => {
    let peer = '198.51.100.7'
    const operators = operatorsOf(() => keyed, { peerOf: () => peer })
    const cookie = await signedIn(operators)
    const ways: Headers[] = [{}, { via: '1.1 a' }, { 'x-forwarded-for': '203.0.113.5' }, { forwarded: 'for=_x' }]
    for (const [index, headers] of [...ways, {}].entries()) guess(operators, `guess ${index}`, headers)
    for (const headers of ways) expect(guess(operators, 'one more', headers)).toBe('429 too_many_attempts, 0 left')
    expect(outcome(() => operators.admit(request({ cookie })).how)).toBe('cookie')
    peer = '127.0.0.1'
    expect(guess(operators, 'one more')).toBe('401 invalid_api_key, 4 left')
  })

  test('of one IPv6 network count together', () => {
    let peer = ''
    const operators = operatorsOf(() => keyed, { peerOf: () => peer })
    const left = ['2001:db8:1:2::1', '2001:db8:1:2:ff::9', '2001:db8:1:3::1'].map((address, index) => {
      peer = address
      return guess(operators, `guess ${index}`)
    })
    expect(left).toEqual([4, 3, 4].map((each) => `401 invalid_api_key, ${each} left`))
  })

  test('may not come from another page', () => {
    const operators = operatorsOf(() => keyed)
    const foreign: Headers[] = [
      { origin: 'https://evil.example' },
      { origin: 'https://ui.example' },
      { 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of foreign) {
      expect(guess(operators, 'sk-admin', headers)).toBe('403 origin_not_allowed')
      for (const key of 'abcdef') expect(guess(operators, key, headers)).toBe('403 origin_not_allowed')
    }
    expect(guess(operators, 'sk-admin')).toBe('token')
    expect(outcome(() => operators.refuseOtherPages(request({ origin: 'https://evil.example' }, 'POST')))).toBe(
      '403 origin_not_allowed',
    )
  })
})
