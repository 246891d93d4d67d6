import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { createTimeline } from '../../src/observe/timeline.ts'

function setUp() {
  let now = 0
  const waits: (object | undefined)[] = []
  const timeline = createTimeline(
    () => now,
    () => waits.push(timeline.place()),
  )
  return { timeline, waits, at: (ms: number) => (now = ms) }
}

test('a request that is refused, waits in line and is answered on a connection that was open', () => {
  const { timeline, waits, at } = setUp()
  timeline.begin('read')
  at(2)
  timeline.end()
  timeline.counts()
  at(5)
  timeline.counted(118_206)
  timeline.asks('zai-coding')
  const refused = timeline.attempts('7c31…a41c')
  at(300)
  refused.answered(429, { reused: false, connectMs: 40 })
  at(309)
  refused.failed(new GatewayError('overloaded', 'Too many at once.', { code: 'concurrency_limited' }))
  timeline.waits(() => ({ n: 1, of: 2 }))
  at(3_000)
  expect(timeline.waitMs()).toBe(2_691)
  at(3_159)
  const answered = timeline.attempts('7c31…a41c')
  at(3_800)
  answered.answered(200, { reused: true })
  at(5_000)
  answered.begun()
  timeline.begin('reasoning')
  at(9_000)
  timeline.begin('tool', 'Edit')
  at(12_000)
  timeline.begin('close')
  answered.ended()
  at(12_003)
  timeline.end()

  expect(timeline.steps).toEqual([
    { kind: 'read', fromMs: 0, toMs: 2 },
    { kind: 'count', fromMs: 2, toMs: 5, detail: '118206 tokens' },
    { kind: 'connect', label: 'zai-coding', attempt: 1, fromMs: 5, toMs: 45 },
    { kind: 'headers', label: 'zai-coding', attempt: 1, fromMs: 45, toMs: 300 },
    { kind: 'first', label: 'zai-coding', attempt: 1, fromMs: 300, toMs: 309 },
    { kind: 'queue', label: 'zai-coding', fromMs: 309, toMs: 3_159 },
    { kind: 'headers', label: 'zai-coding', attempt: 2, fromMs: 3_159, toMs: 3_800 },
    { kind: 'first', label: 'zai-coding', attempt: 2, fromMs: 3_800, toMs: 5_000 },
    { kind: 'reasoning', attempt: 2, fromMs: 5_000, toMs: 9_000 },
    { kind: 'tool', label: 'Edit', attempt: 2, fromMs: 9_000, toMs: 12_000 },
    { kind: 'close', fromMs: 12_000, toMs: 12_003 },
  ])
  const common = { upstream: 'zai-coding', credential: '7c31…a41c' }
  expect(timeline.tries).toEqual([
    {
      ...{ n: 1, ...common, startedMs: 5, headersMs: 300, endedMs: 309, status: 429, reused: false },
      error: { code: 'concurrency_limited', message: 'Too many at once.' },
    },
    { n: 2, ...common, startedMs: 3_159, headersMs: 3_800, firstMs: 5_000, endedMs: 12_000, status: 200, reused: true },
  ])
  expect(timeline.waitMs()).toBe(2_850)
  expect(waits).toEqual([{ n: 1, of: 2 }, undefined])
})

test('a request that did not wait has no wait, not one of 0', () => {
  const { timeline } = setUp()
  timeline.attempts(undefined).begun()
  expect(timeline.waitMs()).toBeUndefined()
})

test('endless refusals do not fill the memory', () => {
  const { timeline, at } = setUp()
  for (let ms = 0; ms < 10_000; ms += 2) {
    at(ms)
    timeline.backsOff()
    at(ms + 1)
    timeline.attempts('key').failed(new GatewayError('overloaded', 'No.', { code: 'overloaded' }))
  }
  expect(timeline.steps.length).toBe(200)
  expect(timeline.tries.length).toBe(100)
  expect(timeline.tries.at(-1)?.n).toBe(5_000)
  expect(timeline.waitMs()).toBe(5_000)
})
