import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Caller } from '../../src/core/caller.ts'
import { GatewayError } from '../../src/core/errors.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { createBatchRunner } from '../../src/http/batch-runner.ts'
import { localCaller } from '../../src/http/client-keys.ts'
import type { InternalRequest, SendInternal } from '../../src/http/internal-requests.ts'
import { type BatchStore, createBatchStore } from '../../src/store/batches.ts'
import { manualClock } from '../support/clock.ts'

interface Asked {
  of: string
  internal: InternalRequest
  headers: Headers
}

/** A runner on a clock of the test, and whoever answers its requests. */
function setUp(answer: (of: string, attempt: number) => Response | Promise<Response>, store?: Partial<BatchStore>) {
  const clock = manualClock()
  const database = openSqlite({ path: ':memory:', clock: systemClock, warn() {} })
  const batches = createBatchStore({
    ...{ open: () => database, isLasting: false, maxBytes: 1e6, now: clock.now, node: 'one' },
  })
  const asked: Asked[] = []
  const attempts = new Map<string, number>()
  const sendInternal: SendInternal = async (request, internal) => {
    const { of } = (await request.json()) as { of: string }
    asked.push({ of, internal, headers: request.headers })
    const attempt = (attempts.get(of) ?? 0) + 1
    attempts.set(of, attempt)
    return await answer(of, attempt)
  }
  const lines: string[] = []
  let callerOf = (keyId: string): Caller => ({ ...localCaller({}), keyId })
  const runner = createBatchRunner({
    ...{ store: { ...batches, ...store }, dialects: [anthropicMessages], sendInternal, clock },
    callerOf: (keyId) => callerOf(keyId),
    log: (level, message) => void lines.push(`${level} ${message}`),
  })
  const send = async (id: string, owner: string, ...names: string[]) => {
    const entries = names.map((name) => ({ name, body: JSON.stringify({ of: name }) }))
    const headers = [['anthropic-beta', 'x']] as const
    await batches.create({ id, owner, dialect: 'anthropic-messages', headers, entries })
    runner.wake()
  }
  /** Runs the clock on until the batch is over. Resolves with what became of each request. */
  const outcomes = async (id: string, owner: string, stepMs = 1_000) => {
    while ((await batches.get(owner, id))?.endedAt === undefined) {
      clock.advance(stepMs)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return (await batches.results(id, -1, 100)).map(({ name, outcome }) => `${name} ${outcome}`)
  }
  const refuseKeys = (error: GatewayError) => {
    callerOf = () => {
      throw error
    }
  }
  return { clock, batches, runner, asked, attempts, lines, send, outcomes, refuseKeys }
}

const good = () => Response.json({ said: 'hi' })
const failing = (status: number, headers: HeadersInit = {}) => Response.json({ failed: status }, { status, headers })

test('requests are made in the background, in the name of their owner, with the headers of the batch', async () => {
  const { send, outcomes, asked } = setUp(good)
  await send('b1', 'alice', 'x')
  expect(await outcomes('b1', 'alice')).toEqual(['x succeeded'])
  expect(asked.map(({ internal }) => internal)).toEqual([
    { note: 'batch b1', caller: expect.objectContaining({ keyId: 'alice' }), isBackground: true },
  ])
  expect(asked[0]?.headers.get('anthropic-beta')).toBe('x')
})

test('eight at a time, owners in turn, the batches of one in their order', async () => {
  const waiting: (() => void)[] = []
  const { send, outcomes, asked } = setUp(() => new Promise((resolve) => waiting.push(() => resolve(good()))))
  const names = (prefix: string) => Array.from({ length: 9 }, (_, at) => `${prefix}${at}`)
  await send('b1', 'alice', ...names('a'))
  await send('b2', 'alice', ...names('later'))
  await send('b3', 'bob', ...names('b'))
  while (waiting.length < 8) await new Promise((resolve) => setImmediate(resolve))
  expect(asked).toHaveLength(8)
  const go = setInterval(() => waiting.shift()?.(), 0)
  await Promise.all([outcomes('b1', 'alice'), outcomes('b2', 'alice'), outcomes('b3', 'bob')])
  clearInterval(go)
  const order = asked.map(({ of }) => of)
  expect(order.filter((of) => !of.startsWith('b'))).toEqual([...names('a'), ...names('later')])
  expect(order.filter((of) => of.startsWith('b'))).toEqual(names('b'))
  // Bob has come when eight of Alice's were under way.
  const ofBob = order.slice(8, 24).map((of) => of.startsWith('b'))
  expect(ofBob.filter((isBobs) => isBobs)).toHaveLength(8)
})

test.each([429, 503, 529])('%d pauses the batch for as long as it says, and is no failure', async (status) => {
  const { send, outcomes, attempts, clock } = setUp((_of, attempt) =>
    attempt < 6 ? failing(status, { 'retry-after': '60' }) : good(),
  )
  const begun = clock.monotonic()
  await send('b1', 'alice', 'x')
  expect(await outcomes('b1', 'alice')).toEqual(['x succeeded'])
  expect(attempts.get('x')).toBe(6)
  expect(clock.monotonic() - begun).toBeGreaterThanOrEqual(5 * 60_000)
})

test('a failure of the upstream is tried three times', async () => {
  const { send, outcomes, attempts } = setUp((of, attempt) => (of === 'y' && attempt === 3 ? good() : failing(502)))
  await send('b1', 'alice', 'x', 'y')
  expect(await outcomes('b1', 'alice')).toEqual(['x errored', 'y succeeded'])
  expect([...attempts]).toEqual([
    ['x', 3],
    ['y', 3],
  ])
})

test('what is not done after 24 hours expires', async () => {
  const { send, outcomes, batches } = setUp((of) => (of === 'x' ? good() : failing(429, { 'retry-after': '600' })))
  await send('b1', 'alice', 'x', 'y', 'z')
  expect(await outcomes('b1', 'alice', 60_000)).toEqual(['x succeeded', 'y expired', 'z expired'])
  expect((await batches.get('alice', 'b1'))?.counts).toEqual({ succeeded: 1, errored: 0, canceled: 0, expired: 2 })
})

test('a key that may not be used any more ends its requests with that', async () => {
  const { send, outcomes, refuseKeys, asked, batches } = setUp(good)
  refuseKeys(new GatewayError('unauthorized', 'This key is disabled.', { code: 'key_disabled' }))
  await send('b1', 'alice', 'x')
  expect(await outcomes('b1', 'alice')).toEqual(['x errored'])
  expect(asked).toEqual([])
  const [result] = await batches.results('b1', -1, 1)
  expect(JSON.parse(result?.response ?? '')).toMatchObject({
    error: { type: 'authentication_error', message: 'This key is disabled.' },
  })
})

test('a result that cannot be stored is stored later, and not asked for again', async () => {
  let failures = 2
  const away = new GatewayError('overloaded', 'away')
  const parts = setUp(good, {
    async storeOutcome(...result) {
      if (failures-- > 0) throw away
      await parts.batches.storeOutcome(...result)
    },
  })
  await parts.send('b1', 'alice', 'x')
  expect(await parts.outcomes('b1', 'alice')).toEqual(['x succeeded'])
  expect(parts.asked).toHaveLength(1)
  expect(parts.lines[0]).toBe('warn the result of a request in a batch could not be stored')
})

test('a store that is away is asked again', async () => {
  let failures = 2
  const parts = setUp(good, {
    async claim() {
      if (failures-- > 0) throw new GatewayError('overloaded', 'away')
      return await parts.batches.claim()
    },
  })
  await parts.send('b1', 'alice', 'x')
  parts.runner.wake()
  expect(await parts.outcomes('b1', 'alice')).toEqual(['x succeeded'])
  expect(parts.lines[0]).toBe('warn batches could not be worked on; this is tried again')
})

test('one that stops leaves what is under way to the next', async () => {
  const { send, runner, asked, batches } = setUp(() => new Promise(() => {}))
  await send('b1', 'alice', 'x')
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
  runner.stop()
  runner.wake()
  expect(await batches.pending('b1', -1, 9)).toHaveLength(1)
})
