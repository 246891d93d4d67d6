import { describe, expect, test } from 'bun:test'
import type { TicketOptions } from '../../../src/core/credential-pool.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { createHourCounter } from '../../../src/gateway/credential-pool/hour-counter.ts'
import { createPool } from '../../../src/gateway/credential-pool/index.ts'
import { manualClock } from '../../support/clock.ts'

const tooMany = new GatewayError('rate-limited', 'Z.AI takes no more at a time.', { detail: { code: '1302' } })
const wrongKey = new GatewayError('upstream-auth', 'Z.AI does not accept the key.', { code: 'upstream_auth_failed' })

function setUp(keys = ['a', 'b']) {
  const clock = manualClock()
  const pool = createPool<string>({
    ...{ name: 'Z.AI', clock, random: () => 0, startLimit: Number.POSITIVE_INFINITY },
    limits: () => ({ queueLimit: 100, queueMs: 120_000 }),
  })
  const tried: string[] = []
  pool.setMembers(
    keys.map((key, index) => ({
      ...{ id: `key ${index + 1}`, secret: key, rank: 0, create: () => key, tryNow: (each) => void tried.push(each) },
    })),
  )
  const lease = (more: Partial<TicketOptions<string>> = {}) =>
    pool
      .ticket({
        ...{ model: 'glm-4.7', caller: 'ann', accepts: () => true, signal: new AbortController().signal },
        ...{ noneAccepts: () => new Error('none') as GatewayError, annotate: () => {}, ...more },
      })
      .lease()
  const { control } = pool
  const report = (name: string) => {
    const found = control.report().credentials.find((each) => each.name === name)
    if (found === undefined) throw new Error(`no ${name}`)
    return found
  }
  const history = () =>
    control.report().history.map(({ at: _at, credential, ...change }) => ({
      key: control.report().credentials.find(({ id }) => id === credential)?.name,
      ...change,
    }))
  return { clock, pool, control, lease, report, history, tried }
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'served',
    (thrown: GatewayError) => thrown.code,
  )

describe('a paused credential', () => {
  test('serves no further call, and keeps the one it has', async () => {
    const { control, lease, report } = setUp()
    const running = await lease({ accepts: (key) => key === 'a' })
    expect(await control.pause(report('key 1').id)).toBe(true)
    const served = await Promise.all([lease(), lease(), lease()])
    expect(served.map(({ credential }) => credential)).toEqual(['b', 'b', 'b'])
    expect([report('key 1').state, report('key 1').inFlight]).toEqual(['paused', 1])
    running.release()
    expect(report('key 1').inFlight).toBe(0)
  })

  test('is lent again once it is resumed', async () => {
    const { control, lease, report, history } = setUp(['a'])
    control.pause(report('key 1').id)
    expect(await codeOf(lease())).toBe('upstream_paused')
    control.resume(report('key 1').id)
    expect((await lease()).credential).toBe('a')
    expect(history().map(({ kind }) => kind)).toEqual(['paused', 'resumed'])
  })

  test('where there is no other sends away calls that wait, and says so to monitors', async () => {
    const { control, lease, report, pool } = setUp(['a'])
    const first = await lease()
    const second = await lease()
    second.reportFailure('account-concurrency-limited', tooMany)
    const waiting = lease()
    expect(pool.snapshot().queue.length).toBe(1)
    control.pause(report('key 1').id)
    expect(await codeOf(waiting)).toBe('upstream_paused')
    expect(pool.availabilityError()?.code).toBe('upstream_paused')
    first.release()
  })

  test('is still paused when the configuration is read again', () => {
    const { control, report, pool } = setUp(['a'])
    control.pause(report('key 1').id)
    pool.setMembers([{ id: 'key 1', secret: 'a', rank: 0, create: () => 'a' }])
    expect(report('key 1').state).toBe('paused')
  })

  test('is not one that was refused: that is what a client is told', async () => {
    const { control, lease, report } = setUp()
    ;(await lease({ accepts: (key) => key === 'a' })).reportFailure('invalid-credential', wrongKey)
    control.pause(report('key 2').id)
    expect(await codeOf(lease())).toBe('upstream_auth_failed')
  })
})

describe('trying now', () => {
  test('lets the next call decide', async () => {
    const { control, lease, report, tried, history } = setUp(['a'])
    ;(await lease()).reportFailure('invalid-credential', wrongKey)
    expect([report('key 1').state, await codeOf(lease())]).toEqual(['suspended', 'upstream_auth_failed'])
    control.tryNow(report('key 1').id)
    expect([report('key 1').state, tried]).toEqual(['half-open', ['a']])
    const probe = await lease()
    probe.reportSuccess()
    probe.release()
    expect(report('key 1').state).toBe('ready')
    expect(history().map(({ kind, code }) => [kind, code])).toEqual([
      ['blocked', 'upstream_auth_failed'],
      ['works-again', undefined],
    ])
  })

  test('serves a call that waits for it', async () => {
    const { control, lease, report } = setUp(['a'])
    ;(await lease()).reportFailure('account-concurrency-limited', tooMany)
    const waiting = lease()
    expect(report('key 1').state).toBe('cooling')
    control.tryNow(report('key 1').id)
    expect((await waiting).credential).toBe('a')
  })

  test('does nothing where there is no such credential', async () => {
    const { control } = setUp()
    expect([await control.pause('x'), await control.resume('x'), control.tryNow('x')]).toEqual([false, false, false])
  })
})

describe('the report', () => {
  test('tells what was learned, and calls nothing learned that was not', async () => {
    const { lease, report, history, clock } = setUp(['a'])
    const leases = await Promise.all([lease(), lease(), lease(), lease({ model: 'glm-4.5' })])
    expect(report('key 1')).toMatchObject({ learnedLimit: undefined, inFlight: 4, calls1h: 4, refused1h: 0 })
    leases[2]?.reportFailure('concurrency-limited', tooMany)
    const refusal = { at: clock.now(), code: '1302', error: 'rate_limited', text: 'Z.AI takes no more at a time.' }
    expect(report('key 1')).toMatchObject({ learnedLimit: undefined, inFlight: 3, refused1h: 1, lastRefusal: refusal })
    expect(report('key 1').models).toEqual([
      { model: 'glm-4.7', inFlight: 2, learnedLimit: 2, refused1h: 1, lastRefusal: refusal },
      { model: 'glm-4.5', inFlight: 1, learnedLimit: undefined, refused1h: 0, lastRefusal: undefined },
    ])
    clock.advance(60_000)
    leases[0]?.reportSuccess()
    expect(history()).toEqual([
      { key: 'key 1', kind: 'limit-lowered', model: 'glm-4.7', limit: 2 },
      { key: 'key 1', kind: 'limit-raised', model: 'glm-4.7', limit: 3 },
    ])
  })

  test('counts the calls that wait by their model', async () => {
    const { lease, control } = setUp(['a'])
    const [, second] = await Promise.all([lease(), lease()])
    second?.reportFailure('concurrency-limited', tooMany)
    void lease()
    void lease()
    expect(control.report().waiting).toEqual({ 'glm-4.7': 2 })
  })

  test('says nothing about the credential itself, and the same id for the same one', () => {
    const ids = [setUp(['secret-a']), setUp(['secret-a'])].map(({ report }) => report('key 1').id)
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^[0-9a-f]{12}$/)
    expect(JSON.stringify(setUp(['secret-a']).control.report())).not.toContain('secret-a')
  })

  test('remembers the last 200 changes', () => {
    const { control, report } = setUp(['a'])
    for (let times = 0; times < 150; times++) {
      control.pause(report('key 1').id)
      control.resume(report('key 1').id)
    }
    expect(control.report().history).toHaveLength(200)
  })
})

test('an hour is counted by minutes', () => {
  const counter = createHourCounter()
  const minute = 60_000
  for (const at of [0, 1, 30 * minute, 59 * minute]) counter.add(at)
  expect(counter.total(59 * minute)).toBe(4)
  expect(counter.total(60 * minute)).toBe(2)
  expect(counter.total(90 * minute)).toBe(1)
  counter.add(200 * minute)
  expect(counter.total(200 * minute)).toBe(1)
  expect(counter.total(900 * minute)).toBe(0)
})
