import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Glob } from 'bun'
import type { Delta } from '../src/core/events.ts'
import { read } from '../src/core/source.ts'
import { readJson } from '../src/http/body.ts'
import { createLimits } from '../src/http/limits.ts'
import { elapsedMs, openRecord } from '../src/observe/record.ts'
import { remembered } from '../src/wire/names.ts'
import { sseDeltas } from '../src/wire/sse.ts'
import { manualClock } from './support/clock.ts'

// Time servers set a machine's date back or forward while it serves; nothing waits longer or shorter for it.
const tenMinutes = 600_000
const shifts: [string, number][] = [
  ['set back', -tenMinutes],
  ['set forward', tenMinutes],
]

test.each(shifts)('a rate limit refills as fast when the date is %s', (_how, shift) => {
  const clock = manualClock()
  const limits = createLimits({ maxConcurrent: 10, maxMessages: 10, requestsPerMinute: 1, tokensPerMinute: 0 }, clock)
  const spend = () => limits.spend(openRecord('req', 'POST', '/v1/messages', clock))
  spend()
  clock.setDate(clock.now() + shift)
  clock.advance(30_000)
  expect(spend).toThrow('There are more in 30 s.')
  clock.advance(30_000)
  expect(spend).not.toThrow()
})

test.each(shifts)('a silent upstream is given up after as long when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  const body = new ReadableStream<Uint8Array>({})
  const decoder = { push() {}, end: () => {} }
  const source = sseDeltas(body, { decoder, clock, signal: new AbortController().signal, idleMs: 60_000 })
  let batch: Delta[] | undefined
  const first = read(source).then((deltas) => {
    batch = deltas
  })
  clock.setDate(clock.now() + shift)
  clock.advance(59_000)
  await Promise.resolve()
  expect(batch).toBeUndefined()
  clock.advance(1_000)
  await first
  expect(batch).toMatchObject([{ type: 'error', error: { kind: 'timeout' } }])
})

test.each(shifts)('a body has as long to arrive when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  const body = new ReadableStream<Uint8Array>({})
  const request = new Request('http://localhost/', { method: 'POST', body })
  let refusal: unknown
  const reading = readJson(request, { maxBytes: 1_000, timeoutMs: 10_000, clock }).catch((thrown) => {
    refusal = thrown
  })
  clock.setDate(clock.now() + shift)
  clock.advance(9_000)
  await Promise.resolve()
  expect(refusal).toBeUndefined()
  clock.advance(1_000)
  await reading
  expect(refusal).toMatchObject({ code: 'request_body_timeout' })
})

test.each(shifts)('a name that was looked up is kept as long when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  let lookups = 0
  const lookup = remembered(async () => {
    lookups++
    return [{ address: '192.0.2.1' }]
  }, clock)
  await lookup('api.example')
  clock.setDate(clock.now() + shift)
  await lookup('api.example')
  expect(lookups).toBe(1)
  clock.advance(tenMinutes)
  await lookup('api.example')
  expect(lookups).toBe(2)
})

test.each(shifts)('a request takes as long when the date is %s', (_how, shift) => {
  const clock = manualClock()
  const record = openRecord('req', 'POST', '/x', clock)
  clock.setDate(clock.now() + shift)
  clock.advance(40)
  expect(elapsedMs(record, clock)).toBe(40)
})

/** What needs a date, each with the reason. A duration that is counted in dates is a stall waiting for a time server. */
const datesIn: Record<string, string> = {
  'cli/doctor/network.ts': 'compares the clock of this machine with that of the site',
  'cli/gateway.ts': 'log lines carry dates',
  'cli/quota.ts': 'the quota is reset at a date',
  'gateway/pool.ts': 'a refusal names the date of its end',
  'http/dialect-routes.ts': 'replies carry the date they were made',
  'observe/record.ts': 'traces carry the date of their start',
  'upstreams/chat-completions/index.ts': 'an error names the date of its end',
  'upstreams/chat-completions/open.ts': 'an error names the date of its end',
  'upstreams/zai-api/quota.ts': 'an error names the date of its end',
  'upstreams/zai-web/open.ts': 'requests are signed with their date',
}

test('dates are asked for only where a date is meant', () => {
  const asking = [...new Glob('**/*.ts').scanSync('src')].filter((file) =>
    /\bclock\.now\b/.test(readFileSync(`src/${file}`, 'utf8')),
  )
  expect(asking.toSorted()).toEqual(Object.keys(datesIn))
})
