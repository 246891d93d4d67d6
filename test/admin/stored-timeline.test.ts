import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { stepKinds } from '../../src/admin/schema/requests.ts'
import { storedParts, storedTimeline } from '../../src/admin/stored-timeline.ts'
import { timelineParts } from '../../src/admin/timeline-parts.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import { redactDeep, secretFinder } from '../../src/observe/redaction.ts'
import { createTimeline, type TimedStep, type Timeline, type Try } from '../../src/observe/timeline.ts'

const secret = 'Pl4nted-Secret.0123456789abcdef'
const find = secretFinder(createSecretFinder([secret]))

const ms = fc.double({ min: 0, max: 10_000_000, noNaN: true })
/** What a client, an upstream or a server of tools may have written. */
const text = fc.oneof(
  fc.string(),
  fc.constantFrom('', '0', 'a "quoted" text', '71b3…87e8', '世界', `see ${secret}`, `Basic ${btoa(`user:${secret}`)}`),
)
const step = fc.record<TimedStep, 'kind' | 'fromMs'>(
  {
    kind: fc.constantFrom(...stepKinds),
    fromMs: ms,
    toMs: ms,
    attempt: fc.integer({ min: 1 }),
    label: text,
    detail: text,
  },
  { requiredKeys: ['kind', 'fromMs'] },
)
const tried = fc.record<Try, 'n' | 'upstream' | 'startedMs'>(
  {
    ...{ n: fc.integer({ min: 1 }), upstream: text, startedMs: ms, credential: text, headersMs: ms, firstMs: ms },
    ...{ endedMs: ms, reused: fc.boolean(), status: fc.integer({ min: 100, max: 599 }) },
    error: fc.record({ code: text, message: text }),
  },
  { requiredKeys: ['n', 'upstream', 'startedMs'] },
)
const timeline = fc
  .record({
    // A count is the gateway's own text.
    steps: fc.array(step.filter(({ kind }) => kind !== 'count')),
    tries: fc.array(tried),
    routing: fc.array(fc.record({ from: text, to: text, by: text })),
  })
  .map(
    (parts): Timeline =>
      Object.assign(
        createTimeline(() => 0),
        parts,
      ),
  )

test('a timeline is the same after it was stored, without its secrets', () => {
  fc.assert(
    fc.property(timeline, ms, (each, elapsed) => {
      const stored = storedTimeline(each, elapsed, find)
      expect(storedParts(stored)).toEqual(redactDeep(timelineParts(each, elapsed), find))
      expect(stored).not.toContain(secret)
    }),
  )
})

test('what a call left is stored in half the room, and its count as it is', () => {
  let now = 0
  const call = createTimeline(() => (now += 12.34))
  call.begin('read')
  call.routed('claude-opus', 'GLM-5.3', 'MODEL_MAP')
  call.counts()
  call.counted(84_213)
  call.asks('zai-api')
  const first = call.attempts('71b3…87e8')
  first.failed(new GatewayError('upstream-malformed', `It said ${secret}.`, { code: 'upstream_error' }))
  const second = call.attempts('9a00…1234')
  second.answered(200, { reused: true })
  second.begun()
  call.begin('tool', `Read ${secret}`)
  second.ended()
  call.end()
  const searched: string[] = []
  const stored = storedTimeline(call, now, (text) => {
    searched.push(text)
    return find(text)
  })
  expect(searched).toContain('zai-api')
  // Each count is another text, and searching it takes long.
  expect(searched).not.toContain('84213 tokens')
  const parts = storedParts(stored)
  expect(parts).toEqual(redactDeep(timelineParts(call, now), find))
  expect(parts.timeline).toContainEqual({ kind: 'count', from_ms: 24.7, to_ms: 37, detail: '84213 tokens' })
  expect(parts.attempts[0]?.error).toEqual({ code: 'upstream_error', message: 'It said [redacted].' })
  expect(stored.length).toBeLessThan(JSON.stringify(parts).length / 2)
})

test('rows of older versions have objects, or nothing', () => {
  const older =
    '{"timeline":[{"kind":"read","from_ms":0,"to_ms":0.1},{"kind":"headers","from_ms":0.2,"to_ms":1.6,"attempt":1,"label":"zai-api"}],"attempts":[{"n":1,"upstream":"zai-api","started_ms":0.2,"status":200,"reused":true}],"routing":[{"from":"glm-9","to":"GLM-9","by":"its name"}]}'
  expect(storedParts(older)).toEqual(JSON.parse(older))
  expect(storedParts(null)).toEqual({ timeline: [], attempts: [], routing: [] })
})
