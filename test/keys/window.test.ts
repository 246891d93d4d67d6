import { describe, expect, test } from 'bun:test'
import { type BudgetWindow, isWindow, windowAt, windowSeenAt } from '../../src/keys/window.ts'

const at = (text: string) => Date.parse(text)
const shown = ({ startedAt, resetsAt }: { startedAt: number; resetsAt?: number }) => [
  new Date(startedAt).toISOString(),
  resetsAt === undefined ? undefined : new Date(resetsAt).toISOString(),
]

describe('the window of a request', () => {
  test.each<[BudgetWindow, string, string, string]>([
    ['day', '2026-11-30T00:00:00.000Z', '2026-11-30T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
    ['day', '2026-11-30T23:59:59.999Z', '2026-11-30T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
    ['week', '2026-11-29T23:59:59.999Z', '2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z'],
    ['week', '2026-11-30T00:00:00.000Z', '2026-11-30T00:00:00.000Z', '2026-12-07T00:00:00.000Z'],
    ['month', '2026-11-30T23:59:59.999Z', '2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
    ['month', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['month', '2028-02-29T12:00:00.000Z', '2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'],
    ['5h', '2026-11-30T12:08:00.000Z', '2026-11-30T12:08:00.000Z', '2026-11-30T17:08:00.000Z'],
  ])('%s at %s', (window, now, startedAt, resetsAt) => {
    expect(shown(windowAt(window, 0, at(now)))).toEqual([startedAt, resetsAt])
  })

  test('of hours goes on until it is over, and the next begins with the next request', () => {
    const begun = at('2026-11-30T12:00:00Z')
    expect(windowAt('5h', begun, begun + 5 * 3_600_000 - 1).startedAt).toBe(begun)
    const later = begun + 9 * 3_600_000
    expect(windowAt('5h', begun, later)).toEqual({ startedAt: later, resetsAt: later + 5 * 3_600_000 })
    expect(windowSeenAt('5h', begun, later)).toEqual({ startedAt: 0 })
    expect(windowSeenAt('5h', 0, later)).toEqual({ startedAt: 0 })
    expect(windowSeenAt('5h', begun, begun + 1).resetsAt).toBe(begun + 5 * 3_600_000)
  })

  test.each<BudgetWindow>(['1h', '5h', 'day', 'week', 'month'])('%s goes on where the clock is set back', (window) => {
    const { startedAt, resetsAt } = windowAt(window, 0, at('2026-11-30T12:00:00Z'))
    for (const back of [1, 86_400_000, 40 * 86_400_000])
      expect(windowAt(window, startedAt, startedAt - back)).toEqual({ startedAt, ...(resetsAt && { resetsAt }) })
  })

  test('in total never ends', () => {
    expect(windowAt('total', 0, at('2026-11-30T12:00:00Z'))).toEqual({ startedAt: 0 })
  })
})

test.each(['1h', '5h', '8760h', 'day', 'week', 'month', 'total'])('%s is a window', (text) => {
  expect(isWindow(text)).toBe(true)
})

test.each(['', '0h', '05h', '8761h', '5', 'h', '1.5h', 'year', 'Month', 'constructor'])('%j is none', (text) => {
  expect(isWindow(text)).toBe(false)
})
