import { describe, expect, test } from 'bun:test'
import type { RequestRow } from '../../src/admin/schema/requests.ts'

Object.assign(globalThis, {
  location: new URL('http://localhost/page/'),
  navigator: { language: 'en' },
  document: { documentElement: { dataset: {} } },
})
const { durationOf, filterOf, matches, searchOf, takeNamed } = await import('../../src/page/requests/filter.ts')

const row: RequestRow = {
  ...{
    id: 'req_1',
    at: 1,
    key: { id: 'key_1', label: 'laptop' },
    route: '/v1/messages',
    asked: 'opus',
    model: 'glm-5.3',
  },
  ...{
    client: { name: 'Claude Code' },
    session: 's1',
    upstream: 'zai-coding',
    state: 'done',
    status: 200,
    stream: true,
  },
  ...{ total_ms: 2500, notes: ['1302 ×1, waited out'], ignored: [] },
}
const filter = (address: string) => filterOf(new URLSearchParams(address))

describe('a request that ends', () => {
  test.each([
    ['', true],
    ['q=waited', true],
    ['q=claude+laptop', true],
    ['q=codex', false],
    ['model=glm-5', true],
    ['model=opus', true],
    ['model=glm-4', false],
    ['key=laptop', true],
    ['key=key_1', true],
    ['key=other', false],
    ['client=claude', true],
    ['upstream=zai-api', false],
    ['session=s1', true],
    ['session=s2', false],
    ['status=200', true],
    ['status=error', false],
    ['view=errors', false],
    ['min=2s', true],
    ['min=3s', false],
    ['view=slow', false],
    ['view=noted', true],
  ])('by %p: %p', (address, expected) => {
    expect(matches(row, filter(address))).toBe(expected)
  })

  test('failed is an error, unless the client has left', () => {
    expect(matches({ ...row, status: 429 }, filter('view=errors'))).toBe(true)
    expect(matches({ ...row, status: 499 }, filter('view=errors'))).toBe(false)
  })
})

test('is said to the gateway in its words', () => {
  const search = searchOf(filter('q=slow+one&model=glm-5.3&view=errors&min=2s&since=1h'), 10_000_000, 'cursor')
  expect(Object.fromEntries(new URLSearchParams(search))).toEqual({
    ...{ limit: '200', q: 'slow one', model: 'glm-5.3', status: 'error', min_ms: '2000', since: '6400000' },
    before: 'cursor',
  })
})

test.each([
  ['model:glm-5.3 slow', { rest: 'slow', found: { model: 'glm-5.3' } }],
  ['min:>2s', { rest: '', found: { min: '2s' } }],
  ['status:error key:laptop ', { rest: '', found: { status: 'error', key: 'laptop' } }],
  ['http://x', { rest: 'http://x', found: {} }],
])('%p is taken apart', (typed, expected) => {
  expect(takeNamed(typed)).toEqual(expected)
})

test.each([
  ['500ms', 500],
  ['2s', 2000],
  ['1.5', 1500],
  ['1h', 3_600_000],
  ['soon', undefined],
])('%p is a time', (text, expected) => {
  expect(durationOf(text)).toBe(expected)
})
