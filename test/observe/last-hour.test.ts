import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { createLastHour } from '../../src/observe/last-hour.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'

const minute = 60_000
const refused = new GatewayError('rate-limited', 'Z.AI takes no more.', { code: 'rate_limit_exceeded' })

function setUp() {
  const clock = manualClock()
  const hour = createLastHour(clock)
  const add = (facts: Partial<RequestRecord> = {}) => hour.add({ ...openRecord('req', 'POST', '/', clock), ...facts })
  return { clock, hour, add }
}

test('an hour without requests is empty', () => {
  expect(setUp().hour.sums()).toEqual({
    ...{ requests: 0, errors: 0, slow: 0, noted: 0, input: 0, cached: 0, output: 0, failures: [] },
    perMinute: Array.from({ length: 60 }, () => 0),
    errorsPerMinute: Array.from({ length: 60 }, () => 0),
  })
})

test('what is older than an hour is forgotten, minute by minute', () => {
  const { clock, hour, add } = setUp()
  add()
  clock.advance(30 * minute)
  add()
  add()
  expect(hour.sums().perMinute.flatMap((count, index) => (count ? [[index, count]] : []))).toEqual([
    [29, 1],
    [59, 2],
  ])
  clock.advance(30 * minute)
  expect(hour.sums().requests).toBe(2)
  clock.advance(300 * minute)
  expect(hour.sums().requests).toBe(0)
})

test('tokens are added up, and the first token has a median', () => {
  const { hour, add } = setUp()
  const usage = { inputTokens: 100, cachedInputTokens: 90, outputTokens: 10 }
  for (const firstTokenMs of [100, 300, 200]) add({ usage, firstTokenMs })
  expect(hour.sums()).toMatchObject({ input: 300, cached: 270, output: 30, first: { median: 200, p95: 300 } })
})

test('failures are told by code and upstream, most often first, with the last message', () => {
  const { clock, hour, add } = setUp()
  const since = clock.now()
  add({ error: refused, upstream: 'zai-api' })
  add({ error: new GatewayError('timeout', 'Silence.'), upstream: 'zai-web' })
  clock.advance(10 * minute)
  add({ error: refused.with({ message: 'Still no more.' }), upstream: 'zai-api' })
  add({ error: new GatewayError('cancelled', 'The client closed the request.') })
  const { errors, errorsPerMinute, failures } = hour.sums()
  expect(errors).toBe(3)
  expect([errorsPerMinute.at(-11), errorsPerMinute.at(-1)]).toEqual([2, 1])
  expect(failures).toEqual([
    {
      ...{ code: 'rate_limit_exceeded', upstream: 'zai-api', count: 2, message: 'Still no more.', since },
      last: since + 10 * minute,
    },
    { code: 'timeout', upstream: 'zai-web', count: 1, message: 'Silence.', since, last: since },
  ])
})

test('requests that took half a minute and those with notes are counted', () => {
  const { clock, hour, add } = setUp()
  add({ notes: ['waited out'] })
  const record = openRecord('req', 'POST', '/', clock)
  clock.advance(30_000)
  hour.add(record)
  expect(hour.sums()).toMatchObject({ requests: 2, slow: 1, noted: 1 })
})
