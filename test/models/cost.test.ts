import { expect, test } from 'bun:test'
import { type BilledTokens, type Cost, costOf, isPeakHour, peakSpans } from '../../src/models/cost.ts'
import { modelTable } from '../../src/models/table.ts'

const table = modelTable()
/** A Monday, 14:00 to 18:00 in China. */
const peak = Date.parse('2026-11-30T06:00:00Z')
const offPeak = Date.parse('2026-11-30T10:00:00Z')
const million: BilledTokens = { input: 1_000_000, cached: 400_000, output: 100_000 }

test.each<[string, string, BilledTokens, number, Cost]>([
  // 600,000 × 6.9 + 400,000 × 1.7 + 100,000 × 24, for 10,000 each
  ['at the peak price', 'GLM-5.3', million, peak, { usd: 1.384, credits: 722, price: 'peak' }],
  ['half of it otherwise', 'glm-5.3', million, offPeak, { usd: 1.384, credits: 361, price: 'off-peak' }],
  ['in dollars alone', 'GLM-5.3-Flash', million, peak, { usd: 0.152 }],
  ['in both', 'GLM-5-Turbo', { input: 10_000, output: 0 }, peak, { usd: 0.012, credits: 5.7, price: 'peak' }],
  ['with cached tokens as dear as others', 'GLM-5.3-FlashX', million, peak, { usd: 0.495 }],
  ['nothing where it is free', 'GLM-4.7-Flash', million, peak, { usd: 0 }],
  [
    'with more cached tokens than there are',
    'GLM-5.3',
    { input: 10, cached: 20, output: 0 },
    peak,
    { usd: 0.0000026, credits: 0.0017, price: 'peak' },
  ],
  ['by nothing that is known', 'GLM-5.4', million, peak, {}],
  ['by nothing that is known of its family', 'glm-5.3-1201', million, peak, {}],
  ['of nobody', 'house', million, peak, {}],
])('a request costs %s: %s', (_how, model, tokens, at, expected) => {
  const { usd, credits, price } = costOf(tokens, table.of(model), at)
  expect({ usd, credits, price }).toEqual({
    usd: expected.usd === undefined ? undefined : expect.closeTo(expected.usd, 9),
    credits: expected.credits === undefined ? undefined : expect.closeTo(expected.credits, 9),
    price: expected.price,
  })
})

test('rows of the user correct prices, credits and what counts off peak', () => {
  const own = modelTable([
    { id: 'glm-5.3*', price: { input: 1, output: 2 }, credits: { input: 10, output: 20, off_peak: 0.1 } },
  ])
  expect(costOf({ input: 10_000, output: 10_000 }, own.of('glm-5.3'), offPeak)).toEqual({
    ...{ usd: 0.03, credits: 3, price: 'off-peak' },
  })
})

test.each([
  ['2026-11-30T05:59:59Z', false],
  ['2026-11-30T06:00:00Z', true],
  ['2026-11-30T09:59:59Z', true],
  ['2026-11-30T10:00:00Z', false],
  // Friday, Saturday and Sunday in China.
  ['2026-12-04T06:00:00Z', true],
  ['2026-12-05T06:00:00Z', false],
  ['2026-12-06T06:00:00Z', false],
])('%s is a peak hour: %p', (at, expected) => expect(isPeakHour(Date.parse(at))).toBe(expected))

test('peak hours between two instants, cut where these lie inside', () => {
  const at = (text: string) => Date.parse(`2026-12-${text}Z`)
  // From Thursday to Tuesday: two days of a weekend are between them.
  expect(peakSpans(at('03T07:30'), at('08T09:00'))).toEqual([
    { from: at('03T07:30'), to: at('03T10:00') },
    { from: at('04T06:00'), to: at('04T10:00') },
    { from: at('07T06:00'), to: at('07T10:00') },
    { from: at('08T06:00'), to: at('08T09:00') },
  ])
  expect(peakSpans(at('05T00:00'), at('06T23:00'))).toEqual([])
  expect(peakSpans(at('04T10:00'), at('04T10:00'))).toEqual([])
})
