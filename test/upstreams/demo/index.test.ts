import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../../src/async/system-clock.ts'
import { readBatch } from '../../../src/core/batch-stream.ts'
import type { Delta } from '../../../src/core/events.ts'
import type { Model } from '../../../src/core/upstream.ts'
import { demo } from '../../../src/upstreams/demo/index.ts'
import { unpaidBill } from '../../support/bills.ts'
import { type ManualClock, manualClock } from '../../support/clock.ts'
import { gatewayApp } from '../../support/gateway.ts'
import { readAll } from '../../support/read-all.ts'
import { fromTheStart } from '../../support/replies.ts'
import { plainRequest } from '../../support/request.ts'

/** Advances the clock and runs what waited for it. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms)
  await settled()
}

/** Waits until all pending promises have settled. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

const request = plainRequest({
  model: 'GLM-4.6',
  messages: [],
  reasoning: { mode: 'off' },
})

const idleMs = 60_000

async function call(text: string, paceMs = 0) {
  const clock = manualClock()
  const upstream = demo({ clock, idleMs, paceMs })
  const controller = new AbortController()
  const opening = upstream.open({
    request: { ...request, messages: [{ role: 'user', parts: [{ type: 'text', text }] }] },
    model: await firstModel(),
    signal: controller.signal,
    caller: 'key',
    whole: false,
    bill: unpaidBill(),
    annotate: () => {},
  })
  opening.catch(() => {}) // the tests look at it later
  await settled()
  return { clock, controller, opening }
}

async function firstModel(): Promise<Model> {
  const [model] = await demo({ clock: manualClock(), idleMs }).models()
  if (!model) throw new Error('The demo has no models.')
  return model
}

/** What the promise rejects with. */
function failure(opening: Promise<unknown>): Promise<unknown> {
  return opening.then(
    () => undefined,
    (error: unknown) => error,
  )
}

function textOf(deltas: readonly Delta[]): string {
  return deltas.flatMap((delta) => (delta.type === 'text' ? [delta.text] : [])).join('')
}

test('without a pace it is read to the end without a timer', async () => {
  const { clock, opening } = await call('hello')
  const all = await readAll(fromTheStart(await opening))
  expect(textOf(all)).toContain('> hello')
  expect(all.at(-1)).toEqual({ type: 'finish', reason: 'stop' })
  expect(clock.pending()).toBe(0)
})

test('with a pace there is a wait before every delta', async () => {
  const { clock, opening } = await call('hello', 45)
  expect(clock.pending()).toBe(1)
  await pass(clock, 60)
  const source = fromTheStart(await opening)
  expect(await readBatch(source)).toHaveLength(1) // the first one was in hand
  let batch: Delta[] | undefined
  readBatch(source).then((next) => {
    batch = next
  })
  await pass(clock, 29)
  expect(batch).toBeUndefined()
  await pass(clock, 31)
  expect(batch).toHaveLength(1)
})

describe('a refusal rejects the call', () => {
  test.each([
    ['[401]', 'upstream-auth', 403],
    ['[402]', 'quota-exhausted', 402],
    ['[429]', 'rate-limited', 429],
    ['[500]', 'upstream-unavailable', 502],
    ['[captcha]', 'upstream-blocked', 403],
    ['[overflow]', 'context-overflow', 400],
    ['[cut] [empty]', 'upstream-truncated', 502],
  ])('%s as %s', async (marker, kind, status) => {
    const { opening } = await call(marker)
    expect(await failure(opening)).toMatchObject({ name: 'GatewayError', kind, status })
  })
})

test('the error of a stream that breaks off names no vendor', async () => {
  const app = gatewayApp([demo({ clock: systemClock, idleMs, paceMs: 0 })])
  const body = JSON.stringify({
    max_tokens: 99,
    stream: true,
    messages: [{ role: 'user', content: '[cut]' }],
    model: 'GLM-4.5',
  })
  const reply = await app.handle(new Request('http://localhost/v1/messages', { method: 'POST', body }))
  const [last = ''] = (await reply.text()).trimEnd().split('data: ').slice(-1)
  expect(JSON.parse(last).error.message).toBe('The upstream closed the stream before the answer was complete.')
})

describe('silence', () => {
  test('before the first delta lasts as long as the marker says', async () => {
    const { clock, opening } = await call('[silence:5000]')
    await pass(clock, 4999)
    expect(Bun.peek.status(opening)).toBe('pending')
    await pass(clock, 1)
    expect(Bun.peek.status(opening)).toBe('fulfilled')
  })

  test('longer than the idle limit rejects the call', async () => {
    const { clock, opening } = await call('[silence]')
    await pass(clock, idleMs)
    expect(await failure(opening)).toMatchObject({ kind: 'timeout', code: 'upstream_idle' })
    expect(clock.pending()).toBe(0)
  })

  test('in the middle ends the stream at the idle limit', async () => {
    const { clock, opening } = await call('[stall]')
    const all = readAll(fromTheStart(await opening))
    await settled()
    expect(clock.pending()).toBe(1)
    await pass(clock, idleMs)
    const said = await all
    expect(textOf(said)).not.toBe('')
    expect(said.at(-1)).toMatchObject({ type: 'error', error: { kind: 'timeout', code: 'upstream_idle' } })
    expect(clock.pending()).toBe(0)
  })
})

describe('an abort', () => {
  test('during the silence rejects the call at once', async () => {
    const { clock, controller, opening } = await call('[silence]')
    controller.abort()
    await settled()
    expect(Bun.peek.status(opening)).toBe('rejected')
    expect(await failure(opening)).toMatchObject({ kind: 'cancelled' })
    expect(clock.pending()).toBe(0)
  })

  test('before the call rejects it', async () => {
    const upstream = demo({ clock: manualClock(), idleMs, paceMs: 0 })
    const opening = upstream.open({
      request,
      model: await firstModel(),
      signal: AbortSignal.abort(),
      caller: 'key',
      whole: false,
      bill: unpaidBill(),
      annotate: () => {},
    })
    expect(await failure(opening)).toMatchObject({ kind: 'cancelled' })
  })

  test('during a wait ends the stream at once', async () => {
    const { clock, controller, opening } = await call('[stall]')
    const all = readAll(fromTheStart(await opening))
    await settled()
    controller.abort()
    expect((await all).at(-1)).toMatchObject({ type: 'error', error: { kind: 'cancelled' } })
    expect(clock.pending()).toBe(0)
  })

  test('between two reads is the next delta and the last', async () => {
    const { controller, opening } = await call('hello')
    const source = fromTheStart(await opening)
    await readBatch(source)
    controller.abort()
    expect(await readBatch(source)).toMatchObject([{ type: 'error', error: { kind: 'cancelled' } }])
    expect(await readBatch(source)).toBeUndefined()
  })
})

describe('cancel', () => {
  test('ends a waiting read and its timer', async () => {
    const { clock, opening } = await call('[stall]')
    const source = fromTheStart(await opening)
    const all = readAll(source)
    await settled()
    source.cancel()
    source.cancel()
    expect(textOf(await all)).not.toBe('')
    expect(clock.pending()).toBe(0)
  })

  test('leaves nothing to read', async () => {
    const { opening } = await call('hello')
    const source = fromTheStart(await opening)
    source.cancel()
    expect(await readBatch(source)).toBeUndefined()
  })
})

test('the models have the public names, and vision like the real ones', async () => {
  const upstream = demo({ clock: manualClock(), idleMs })
  const models = await upstream.models()
  expect(models.map((model) => model.id)).toContainValues(['GLM-4.5', 'GLM-4.5-Air', 'GLM-4.6', 'GLM-4.7', 'GLM-5'])
  expect(models.filter((model) => model.vision).map((model) => model.id)).toEqual([
    'GLM-5.4',
    'GLM-5.3-Flash',
    'GLM-5.3-FlashX',
    'GLM-5V-Turbo',
    'GLM-4.6V',
    'GLM-4.6V-Flash',
    'GLM-4.6V-FlashX',
    'GLM-4.5V',
  ])
  expect(models.every((model) => model.createdAtSeconds > 1_700_000_000)).toBe(true)
})

test('it is always ready and ignores nothing', async () => {
  const upstream = demo({ clock: manualClock(), idleMs })
  expect(await upstream.check(new AbortController().signal)).toBeUndefined()
  const [model] = await upstream.models()
  if (!model) throw new Error('the demo has no models')
  expect(upstream.ignored({ ...request, search: true, sampling: { temperature: 2 } }, model)).toEqual([])
})
