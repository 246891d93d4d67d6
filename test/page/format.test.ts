import { describe, expect, test } from 'bun:test'

Object.assign(globalThis, {
  location: new URL('http://localhost/page/'),
  navigator: { language: 'en' },
  document: { documentElement: { dataset: {} } },
})
const { bytes, dollars, percent, seconds, short, span, whole } = await import('../../src/page/format.ts')

describe('numbers as people read them', () => {
  test.each([
    [whole, 118_432, '118,432'],
    [seconds, 12, '0.01'],
    [seconds, 620, '0.62'],
    [seconds, 12_100, '12.1'],
    [seconds, 84_900, '84.9'],
    [seconds, 125_000, '2 m 05'],
    [seconds, 5_160_000, '1 h 26'],
    [span, 6, '6 ms'],
    [span, 671, '671 ms'],
    [span, 2850, '2.85 s'],
    [short, 9999, '9,999'],
    [short, 12_406, '12K'],
    [short, 1_380_000, '1.4M'],
    [short, 82_400_000, '82M'],
    [dollars, 0.0007, '0.00070'],
    [dollars, 0.0015, '0.0015'],
    [dollars, 2.14, '2.14'],
    [dollars, 0, '0'],
    [bytes, 412_000, '412 KB'],
  ])('%p of %p is %p', (write, value, expected) => {
    expect((write as (value: number) => string)(value)).toBe(expected)
  })

  test('a share is whole, small ones have a digit more, and of nothing it is zero', () => {
    expect([percent(95, 100), percent(3, 1000), percent(0, 10), percent(1, 0)]).toEqual(['95', '0.3', '0', '0'])
  })
})
