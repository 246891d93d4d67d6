import { expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import {
  allModels,
  type BlockReason,
  block,
  type Cooldowns,
  errorNow,
  isCoolingDown,
  longCooldown,
  shortCooldown,
} from '../../../src/gateway/credential-pool/cooldowns.ts'

const busy = new GatewayError('rate-limited', 'busy')
const spent = new GatewayError('quota-exhausted', 'used up', { retryAfterMs: 3_600_000 })
const invalidCredential = new GatewayError('upstream-auth', 'not accepted')

const now = 1_000
const date = 1_700_000_000_000

/** One refusal after the other, all at the same time. */
function after(...reasons: BlockReason[]): Cooldowns {
  const bars: Cooldowns = new Map()
  for (const reason of reasons) block(bars, 'glm-4.7', reason, { now, date, random: () => 0 })
  return bars
}

const hour: BlockReason = { error: spent, cooldown: longCooldown, forMs: 3_600_000 }
const minute: BlockReason = { error: invalidCredential, cooldown: longCooldown, forMs: 60_000 }
const rest: BlockReason = { error: busy, cooldown: shortCooldown }
const longRest: BlockReason = { error: busy, cooldown: shortCooldown, forMs: 120_000 }

test.each<[string, BlockReason[], object]>([
  [
    'a shorter suspension does not end a longer one sooner',
    [hour, minute],
    {
      isSuspended: true,
      error: spent,
      until: now + 3_600_000,
      overAt: date + 3_600_000,
      consecutiveFailures: 1,
      isHalfOpen: false,
    },
  ],
  [
    'a suspension of no known length leaves one whose end is known',
    [hour, { error: invalidCredential, cooldown: longCooldown }],
    {
      isSuspended: true,
      error: spent,
      until: now + 3_600_000,
      overAt: date + 3_600_000,
      consecutiveFailures: 1,
      isHalfOpen: false,
    },
  ],
  [
    'a rest leaves a suspension as it is',
    [minute, rest],
    {
      isSuspended: true,
      error: invalidCredential,
      until: now + 60_000,
      overAt: date + 60_000,
      consecutiveFailures: 1,
      isHalfOpen: false,
    },
  ],
  [
    'a longer suspension takes the place of a shorter one',
    [minute, hour],
    {
      isSuspended: true,
      error: spent,
      until: now + 3_600_000,
      overAt: date + 3_600_000,
      consecutiveFailures: 2,
      isHalfOpen: false,
    },
  ],
  [
    'a suspension takes the place of a shorter rest',
    [rest, minute],
    {
      isSuspended: true,
      error: invalidCredential,
      until: now + 60_000,
      overAt: date + 60_000,
      consecutiveFailures: 2,
      isHalfOpen: false,
    },
  ],
  [
    'a shorter suspension turns a longer rest into one that lasts as long',
    [longRest, minute],
    {
      isSuspended: true,
      error: invalidCredential,
      until: now + 120_000,
      overAt: date + 120_000,
      consecutiveFailures: 1,
      isHalfOpen: false,
    },
  ],
  [
    'calls that left together are refused once',
    [rest, rest, rest],
    {
      isSuspended: false,
      error: busy,
      until: now + 10_000,
      overAt: undefined,
      consecutiveFailures: 1,
      isHalfOpen: false,
    },
  ],
])('%s', (_name, reasons, expected) => {
  expect<unknown>(after(...reasons).get('glm-4.7')).toEqual(expected)
})

test('what is put up for everything closes every model, and what is put up for one closes that one', () => {
  const bars: Cooldowns = new Map()
  block(bars, 'glm-4.7', rest, { now, date, random: () => 0 })
  expect([isCoolingDown(bars, 'glm-4.7', now), isCoolingDown(bars, 'glm-4.6', now)]).toEqual([true, false])
  block(bars, allModels, rest, { now, date, random: () => 0 })
  expect(isCoolingDown(bars, 'glm-4.6', now)).toBe(true)
})

test('closed until the time is over, and not a moment longer', () => {
  const bars = after(rest)
  expect([now + 9_999, now + 10_000].map((at) => isCoolingDown(bars, 'glm-4.7', at))).toEqual([true, false])
})

test('the error tells the wait that is left', () => {
  const [bar] = [...after(hour).values()]
  if (bar === undefined) throw new Error('nothing was put up')
  expect(errorNow(bar, now + 600_000).retryAfterMs).toBe(3_000_000)
})
