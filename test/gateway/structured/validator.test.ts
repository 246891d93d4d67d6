import { expect, test } from 'bun:test'
import { startSchemaWorker } from '../../../src/gateway/structured/start-schema-worker.ts'
import { loadValidation, type ValidationJob } from '../../../src/gateway/structured/validation.ts'
import { createValidator } from '../../../src/gateway/structured/validator.ts'
import type { WorkerMessage } from '../../../src/gateway/structured/worker-queue.ts'
import { manualClock } from '../../support/clock.ts'
import { until } from '../../support/gateway.ts'

const megabyte = 1024 * 1024
const answer = (text: string, schema: object): ValidationJob => ({
  type: 'answer',
  text,
  schema: JSON.stringify(schema),
})
const anything = new AbortController().signal

/** A validator with fake threads, whose messages the test sends. */
function stage() {
  const clock = manualClock()
  const threads: { jobs: ValidationJob[]; says(message: WorkerMessage): void; fails(): void; ended: boolean }[] = []
  let held = 100 * megabyte
  const validate = createValidator({
    startThread() {
      const thread = {
        onmessage: null,
        onerror: null,
        postMessage: (job: ValidationJob) => void seen.jobs.push(job),
        terminate() {
          seen.ended = true
        },
      }
      const say = (name: 'onmessage' | 'onerror', event: object) =>
        (Reflect.get(thread, name) as ((event: object) => void) | null)?.(event)
      const seen = {
        jobs: [] as ValidationJob[],
        says: (data: WorkerMessage) => say('onmessage', { data }),
        fails: () => say('onerror', {}),
        ended: false,
      }
      threads.push(seen)
      return thread
    },
    clock,
    memory: { held: () => held, left: () => 8_000 * megabyte },
  })
  /** Runs everything that does not wait for a thread or the clock. */
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  const take = (megabytes: number) => {
    held += megabytes * megabyte
  }
  return { clock, threads, validate, take, settled }
}

const good: WorkerMessage = { type: 'judged', validated: { verdict: { text: 'good' } } }
/** The result without the schema. */
const isReading = (job?: ValidationJob) => job?.type === 'answer' && job.schema === '{}'
const fenced: WorkerMessage = { type: 'judged', validated: { verdict: { text: '[]' } } }

test('one thread does one job after the other, and is ended when it is idle', async () => {
  const { clock, threads, validate, settled } = stage()
  const jobs = [answer('[]', { type: 'array' }), answer('{}', { type: 'object' })]
  const judged = jobs.map((job) => validate(job, anything))
  expect(threads.map((thread) => thread.jobs)).toEqual([jobs.slice(0, 1)])
  threads[0]?.says({ type: 'begun' })
  threads[0]?.says(good)
  expect(threads.map((thread) => thread.jobs)).toEqual([jobs])
  threads[0]?.says({ type: 'judged', validated: { verdict: { violations: ['bad'] }, unchecked: 'odd' } })
  expect(await Promise.all(judged)).toEqual([
    { verdict: { text: 'good' } },
    { verdict: { violations: ['bad'] }, unchecked: 'odd' },
  ])
  clock.advance(59_999)
  expect(threads[0]?.ended).toBe(false)
  clock.advance(1)
  expect(threads[0]?.ended).toBe(true)
  await settled()
  expect(clock.pending()).toBe(0)
})

test('a slow job is started again in the second thread, while others continue in a new one', async () => {
  const { clock, threads, validate, settled } = stage()
  const evil = answer('[1]', { uniqueItems: true })
  const judged = validate(evil, anything)
  const other = validate(answer('{}', {}), anything)
  threads[0]?.says({ type: 'begun' })
  clock.advance(250)
  await settled()
  expect(threads.map(({ jobs, ended }) => [jobs.length, ended])).toEqual([
    [1, true],
    [1, false],
    [1, false],
  ])
  threads[1]?.says(good)
  expect(await other).toEqual({ verdict: { text: 'good' } })
  threads[2]?.says({ type: 'begun' })
  clock.advance(4_900)
  threads[2]?.says(good)
  expect(await judged).toEqual({ verdict: { text: 'good' } })

  // The next time nobody else waits for it.
  const again = validate(evil, anything)
  expect(threads.map(({ jobs }) => jobs.length)).toEqual([1, 1, 2])
  threads[2]?.says(good)
  expect(await again).toEqual({ verdict: { text: 'good' } })
})

const slow = 'judging by it took longer than 5 s'

test.each<[string, (on: ReturnType<typeof stage>) => void | Promise<void>, string]>([
  [
    'takes longer than any schema is worth',
    async ({ clock, threads, settled }) => {
      threads[0]?.says({ type: 'begun' })
      clock.advance(250)
      await settled()
      threads[1]?.says({ type: 'begun' })
      clock.advance(5_000)
    },
    slow,
  ],
  [
    'takes too much memory',
    ({ clock, threads, take }) => {
      threads[0]?.says({ type: 'begun' })
      take(600)
      clock.advance(50)
    },
    'judging by it took too much memory',
  ],
  ['breaks its thread', ({ threads }) => threads[0]?.fails(), 'judging by it failed'],
  ['fails', ({ threads }) => threads[0]?.says({ type: 'failed' }), 'judging by it failed'],
])('a job that %s is validated without its schema and reported as unchecked', async (_name, happen, unchecked) => {
  const on = stage()
  const judged = on.validate(answer('```\n[]\n```', { type: 'array', uniqueItems: true }), anything)
  await happen(on)
  await on.settled()
  const reader = on.threads.find(({ jobs }) => isReading(jobs.at(-1)))
  reader?.says(fenced)
  expect(await judged).toEqual({ verdict: { text: '[]' }, unchecked })
})

test('arguments that could not be validated pass unchanged', async () => {
  const { threads, validate, settled } = stage()
  const job: ValidationJob = { type: 'arguments', text: '{"a":1}', strict: '{"type":"object"}', readable: undefined }
  const judged = validate(job, anything)
  threads[0]?.fails()
  await settled()
  expect(threads[1]?.jobs).toEqual([{ ...job, strict: undefined }])
  threads[1]?.says({ type: 'judged', validated: { verdict: { text: '{"a":1}' } } })
  expect(await judged).toEqual({ verdict: { text: '{"a":1}' }, unchecked: 'judging by it failed' })
})

test('jobs that are certainly short go first', async () => {
  const { threads, validate } = stage()
  const jobs = ['1', '2'].flatMap((text) => [answer(text, { pattern: '^(a+)+$' }), answer(text, { type: 'number' })])
  const judged = jobs.map((job) => validate(job, anything))
  for (const _ of jobs) threads[0]?.says(good)
  await Promise.all(judged)
  expect(threads[0]?.jobs).toEqual([jobs[0], jobs[1], jobs[3], jobs[2]] as ValidationJob[])
})

test('no job waits long for others', async () => {
  const { clock, threads, validate, settled } = stage()
  const evil = (place: number) => answer('[]', { uniqueItems: true, title: `${place}` })
  const judged = Array.from({ length: 40 }, (_, place) => validate(evil(place), anything))
  // Every job with a schema uses up its time.
  const begun = new Set<ValidationJob | undefined>()
  for (let ms = 0; ms < 11_000; ms += 10) {
    for (const thread of threads.filter(({ ended }) => !ended)) {
      const job = thread.jobs.at(-1)
      if (!begun.has(job)) thread.says({ type: 'begun' })
      begun.add(job)
      if (isReading(job)) thread.says(fenced)
    }
    clock.advance(10)
    await settled()
  }
  const outcomes = await Promise.all(judged)
  expect(new Set(outcomes.map(({ unchecked }) => unchecked))).toEqual(
    new Set([slow, 'too many others were to be judged']),
  )
  expect(outcomes.map(({ verdict }) => verdict)).toEqual(outcomes.map(() => ({ text: '[]' })))
})

test.each([
  ['while it waits', 1],
  ['while it is judged', 0],
])('a client that disconnects %s frees its place', async (_name, place) => {
  const { threads, validate } = stage()
  const leaving = [new AbortController(), new AbortController(), new AbortController()]
  const judged = leaving.map(({ signal }, index) => validate(answer(`${index}`, {}), signal))
  leaving[place]?.abort()
  expect(await judged[place]?.catch(({ kind }) => kind)).toBe('cancelled')
  for (const thread of [...threads]) for (let times = 0; times < 3; times++) thread.says(good)
  for (const thread of [...threads]) for (let times = 0; times < 3; times++) thread.says(good)
  const others = judged.filter((_, index) => index !== place)
  expect(await Promise.all(others)).toEqual(others.map(() => ({ verdict: { text: 'good' } })))
})

test('schemas and texts that are too large are not validated', async () => {
  const { threads, validate } = stage()
  const text = `[${'1,'.repeat(4_000_001)}1]`
  expect(await validate(answer(text, {}), anything)).toEqual({
    verdict: { text },
    unchecked: 'it has more than 1000000 characters, or the answer more than 8000000',
  })
  expect(threads).toEqual([])
})

test('compiled schemas are kept by their content, and removed when there are too many', async () => {
  const validation = await loadValidation()
  const judge = (place: number) =>
    validation({
      type: 'answer',
      text: `{"a":${place}}`,
      schema: JSON.stringify({ properties: { a: { const: place } } }),
    })
  for (let place = 0; place < 250; place++) expect(judge(place)).toEqual({ verdict: { text: `{"a":${place}}` } })
  expect(judge(0)).toEqual({ verdict: { text: '{"a":0}' } })
})

test('a real thread validates, is ended in the middle of a pattern, and another one continues', async () => {
  const clock = manualClock()
  // Resolved by each thread that begins with a job, so that the job's time is over in the middle of it on any machine.
  let begins = Promise.withResolvers<void>()
  const validate = createValidator({
    startThread() {
      const thread = startSchemaWorker()
      thread.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => {
        if (data.type === 'begun') begins.resolve()
      })
      return thread
    },
    clock,
    memory: { held: process.memoryUsage.rss, left: process.availableMemory },
  })
  const texts = JSON.stringify(Array.from({ length: 20_000 }, (_, place) => `${'a'.repeat(17)}${place}b`))
  const evil = answer(texts, { items: { pattern: '^(a+)+$' } })
  expect(await validate(answer('{"a":"1"}', { properties: { a: { type: 'integer' } } }), anything)).toEqual({
    verdict: { text: '{"a":1}' },
  })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  begins = Promise.withResolvers()
  const judged = validate(evil, anything)
  for (const ms of [250, 5_000]) {
    await begins.promise
    begins = Promise.withResolvers()
    await until(() => turns > 20, 'other work beside the pattern')
    turns = 0
    clock.advance(ms)
  }
  expect(await judged).toEqual({ verdict: { text: texts }, unchecked: slow })
  clearInterval(timer)
  expect(await validate(answer('[1]', { type: 'object' }), anything)).toEqual({
    verdict: { violations: ['the value must be object'] },
  })
})

test('a thread that fails while idle is not used again', async () => {
  const { threads, validate } = stage()
  const first = validate(answer('{}', {}), anything)
  threads[0]?.says(good)
  await first
  threads[0]?.fails()
  const second = validate(answer('{}', {}), anything)
  expect([threads.length, threads[0]?.ended]).toEqual([2, true])
  threads[1]?.says(good)
  expect(await second).toEqual({ verdict: { text: 'good' } })
})
