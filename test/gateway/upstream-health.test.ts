import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { createUpstreamHealth, type HealthChange } from '../../src/gateway/upstream-health.ts'
import { manualClock } from '../support/clock.ts'

const timeout = new GatewayError('timeout', 'nothing came')

function setUp() {
  const clock = manualClock()
  const changes: HealthChange[] = []
  const health = createUpstreamHealth({ clock, random: () => 0, onChange: (change) => void changes.push(change) })
  return { clock, changes, health }
}

test('an outage lasts from its first failure, however many probes have failed since', () => {
  const { clock, changes, health } = setUp()
  for (const restMs of [15_000, 30_000, 60_000]) {
    health.failed('one', timeout, health.now())
    clock.advance(restMs - 1)
    expect(health.isUnresponsive('one')).toBe(true)
    clock.advance(1)
    expect(health.isUnresponsive('one')).toBe(false)
  }
  health.answered('one')
  expect(changes).toEqual([
    { state: 'down', upstream: 'one', error: timeout },
    { state: 'up', upstream: 'one', afterMs: 105_000 },
  ])
})

test('an answer belies the failures of calls that began before it, and of no others', () => {
  const { clock, changes, health } = setUp()
  const before = health.now()
  clock.advance(1_000)
  health.answered('one')
  health.failed('one', timeout, before)
  expect(changes).toEqual([])
  health.failed('one', timeout, health.now())
  expect(changes).toEqual([{ state: 'down', upstream: 'one', error: timeout }])
})
