import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import {
  type Bars,
  errorNow,
  everything,
  isClosed,
  parking,
  putUp,
  type Reason,
  resting,
} from '../../src/gateway/bars.ts'

const busy = new GatewayError('rate-limited', 'busy')
const spent = new GatewayError('quota-exhausted', 'used up', { retryAfterMs: 3_600_000 })
const dead = new GatewayError('upstream-auth', 'not accepted')

const now = 1_000
const date = 1_700_000_000_000

/** One refusal after the other, all at the same time. */
function after(...reasons: Reason[]): Bars {
  const bars: Bars = new Map()
  for (const reason of reasons) putUp(bars, 'glm-4.7', reason, { now, date, random: () => 0 })
  return bars
}

const hour: Reason = { error: spent, how: parking, forMs: 3_600_000 }
const minute: Reason = { error: dead, how: parking, forMs: 60_000 }
const rest: Reason = { error: busy, how: resting }
const longRest: Reason = { error: busy, how: resting, forMs: 120_000 }

test.each<[string, Reason[], object]>([
  [
    'a shorter suspension does not end a longer one sooner',
    [hour, minute],
    { parked: true, error: spent, until: now + 3_600_000, overAt: date + 3_600_000, strikes: 1, trial: false },
  ],
  [
    'a suspension of no known length leaves one whose end is known',
    [hour, { error: dead, how: parking }],
    { parked: true, error: spent, until: now + 3_600_000, overAt: date + 3_600_000, strikes: 1, trial: false },
  ],
  [
    'a rest leaves a suspension as it is',
    [minute, rest],
    { parked: true, error: dead, until: now + 60_000, overAt: date + 60_000, strikes: 1, trial: false },
  ],
  [
    'a longer suspension takes the place of a shorter one',
    [minute, hour],
    { parked: true, error: spent, until: now + 3_600_000, overAt: date + 3_600_000, strikes: 2, trial: false },
  ],
  [
    'a suspension takes the place of a shorter rest',
    [rest, minute],
    { parked: true, error: dead, until: now + 60_000, overAt: date + 60_000, strikes: 2, trial: false },
  ],
  [
    'a shorter suspension turns a longer rest into one that lasts as long',
    [longRest, minute],
    { parked: true, error: dead, until: now + 120_000, overAt: date + 120_000, strikes: 1, trial: false },
  ],
  [
    'calls that left together are refused once',
    [rest, rest, rest],
    { parked: false, error: busy, until: now + 10_000, overAt: undefined, strikes: 1, trial: false },
  ],
])('%s', (_name, reasons, expected) => {
  expect<unknown>(after(...reasons).get('glm-4.7')).toEqual(expected)
})

test('what is put up for everything closes every model, and what is put up for one closes that one', () => {
  const bars: Bars = new Map()
  putUp(bars, 'glm-4.7', rest, { now, date, random: () => 0 })
  expect([isClosed(bars, 'glm-4.7', now), isClosed(bars, 'glm-4.6', now)]).toEqual([true, false])
  putUp(bars, everything, rest, { now, date, random: () => 0 })
  expect(isClosed(bars, 'glm-4.6', now)).toBe(true)
})

test('closed until the time is over, and not a moment longer', () => {
  const bars = after(rest)
  expect([now + 9_999, now + 10_000].map((at) => isClosed(bars, 'glm-4.7', at))).toEqual([true, false])
})

test('the error tells the wait that is left', () => {
  const [bar] = [...after(hour).values()]
  if (bar === undefined) throw new Error('nothing was put up')
  expect(errorNow(bar, now + 600_000).retryAfterMs).toBe(3_000_000)
})
