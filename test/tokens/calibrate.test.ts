import { describe, expect, test } from 'bun:test'
import { createCalibration } from '../../src/tokens/calibrate.ts'
import { dice } from '../support/texts.ts'

const model = 'zai-web/GLM-4.5'
const key = 'alice'

/** Prompts of all sizes, charged at `ratio` give or take a tenth. */
function replies(ratio: number, seed = 1): () => [counted: number, charged: number] {
  const random = dice(seed)
  return () => {
    const counted = 50 + random(100_000)
    return [counted, Math.round(counted * ratio * (0.9 + random(2_000) / 10_000))]
  }
}

const ratios = [0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.4, 1.5]

describe('the count is corrected by the upstream’s counts', () => {
  test.each(ratios)('a true ratio of %d is known within 10 % after 20 replies', (ratio) => {
    for (let seed = 1; seed <= 20; seed++) {
      const calibration = createCalibration()
      const next = replies(ratio, seed)
      for (let n = 0; n < 20; n++) calibration.learn(model, key, ...next())
      expect(Math.abs(calibration.correct(model, key, 10_000).likely / (10_000 * ratio) - 1)).toBeLessThan(0.1)
    }
  })

  test.each(ratios)('before that, with a true ratio of %d, it is never more than 25 % too low', (ratio) => {
    for (let seed = 1; seed <= 20; seed++) {
      const calibration = createCalibration()
      const next = replies(ratio, seed)
      for (let n = 0; n < 20; n++) {
        expect(calibration.correct(model, key, 10_000).likely).toBeGreaterThan(10_000 * ratio * 0.75)
        calibration.learn(model, key, ...next())
      }
    }
  })

  test('one count in four may be wrong', () => {
    const calibration = createCalibration()
    const next = replies(1.2)
    for (let n = 0; n < 40; n++) {
      const [counted, charged] = next()
      const nonsense = [1, counted * 3, counted / 3, counted * 50][(n / 4) % 4]
      calibration.learn(model, key, counted, nonsense ?? charged)
    }
    expect(Math.abs(calibration.correct(model, key, 10_000).likely / 12_000 - 1)).toBeLessThan(0.1)
  })

  test.each([
    ['a prompt of a few words', 49, 300],
    ['no figure', 1_000, 0],
    ['a figure that is none', 1_000, Number.NaN],
    ['a figure of something else', 1_000, 90_000],
  ])('%s is ignored', (_name, counted, charged) => {
    const calibration = createCalibration()
    const before = calibration.correct(model, key, 10_000)
    for (let n = 0; n < 30; n++) calibration.learn(model, key, counted, charged)
    expect(calibration.correct(model, key, 10_000)).toEqual(before)
  })

  test('each model has its own ratio', () => {
    const calibration = createCalibration()
    for (let n = 0; n < 20; n++) {
      calibration.learn('zai-web/GLM-4.5', key, 1_000, 1_400)
      calibration.learn('demo/GLM-4.5', key, 1_000, 800)
    }
    expect(calibration.correct('zai-web/GLM-4.5', key, 1_000).likely).toBe(1_400)
    expect(calibration.correct('demo/GLM-4.5', key, 1_000).likely).toBe(800)
    expect(calibration.correct('zai-web/GLM-5', key, 1_000).likely).toBe(1_150)
  })

  test('only the last 50 replies count', () => {
    const calibration = createCalibration()
    for (let n = 0; n < 200; n++) calibration.learn(model, key, 1_000, 700)
    for (let n = 0; n < 50; n++) calibration.learn(model, key, 1_000, 1_500)
    expect(calibration.correct(model, key, 1_000)).toMatchObject({ likely: 1_500, least: 1_500, most: 1_500 })
  })

  test('each key has its own ratio, and moves the first counts of others by a quarter at most', () => {
    for (const ratio of [0.3, 3.9]) {
      const calibration = createCalibration()
      const before = calibration.correct(model, 'bob', 10_000).likely
      for (let n = 0; n < 500; n++) calibration.learn(model, 'mallory', 1_000, 1_000 * ratio)
      const after = calibration.correct(model, 'bob', 10_000).likely
      expect(Math.abs(after / before - 1)).toBeLessThan(0.27)
      for (let n = 0; n < 20; n++) calibration.learn(model, 'bob', 1_000, 1_000)
      expect(calibration.correct(model, 'bob', 10_000).likely).toBe(10_000)
    }
  })

  test('a new key begins with what most others say', () => {
    const calibration = createCalibration()
    for (const other of ['alice', 'carol', 'dave', 'mallory'])
      for (let n = 0; n < 20; n++) calibration.learn(model, other, 1_000, other === 'mallory' ? 3_900 : 900)
    expect(calibration.correct(model, 'bob', 10_000).likely).toBe(9_000)
  })

  test('only the 50 keys that were used last are kept', () => {
    const calibration = createCalibration()
    for (let n = 0; n < 20; n++) calibration.learn(model, 'old', 1_000, 1_500)
    for (let n = 0; n < 50; n++) calibration.learn(model, `other ${n}`, 1_000, 1_000)
    expect(calibration.correct(model, 'old', 1_000).likely).toBe(1_150)
  })

  test('only the 100 most recently used models are kept', () => {
    const calibration = createCalibration()
    for (let n = 0; n < 20; n++) calibration.learn('old', key, 1_000, 1_400)
    for (let n = 0; n < 100; n++) calibration.learn(`other ${n}`, key, 1_000, 1_000)
    expect(calibration.correct('old', key, 1_000).likely).toBe(1_150)
  })
})

describe('the lower bound', () => {
  test('without observations uses the lowest known ratio', () =>
    expect(createCalibration().correct(model, key, 10_000).least).toBe(6_500))

  test('is never above the true count, for the ratios of GLM', () => {
    for (const ratio of ratios) {
      const calibration = createCalibration()
      for (let n = 0; n < 30; n++) {
        expect(calibration.correct(model, key, 10_000).least).toBeLessThanOrEqual(10_000 * ratio)
        calibration.learn(model, key, 10_000, Math.round(10_000 * ratio))
      }
    }
  })

  test('uses the lowest recent ratio', () => {
    const calibration = createCalibration()
    for (const charged of [1_300, 1_250, 1_200, 1_300, 1_400, 1_350]) calibration.learn(model, key, 1_000, charged)
    expect(calibration.correct(model, key, 10_000).least).toBe(12_000)
  })

  test('ignores much smaller prompts, in which the template weighs more', () => {
    const calibration = createCalibration()
    for (let n = 0; n < 50; n++) calibration.learn(model, key, 1_000, 3_000)
    expect(calibration.correct(model, key, 10_000).least).toBe(30_000)
    expect(calibration.correct(model, key, 10_001).least).toBe(6_500)
  })
})

describe('the upper bound', () => {
  test('without observations is a quarter above the likely count', () => {
    const { likely, most } = createCalibration().correct(model, key, 10_000)
    expect([likely, most]).toEqual([11_500, 14_375])
  })

  test('is never below the true count by more than a tenth', () => {
    for (const ratio of ratios.filter((ratio) => ratio <= 1.25)) {
      const calibration = createCalibration()
      const next = replies(ratio)
      for (let n = 0; n < 50; n++) {
        expect(calibration.correct(model, key, 10_000).most).toBeGreaterThan(10_000 * ratio * 0.9)
        calibration.learn(model, key, ...next())
      }
    }
  })

  test('uses the highest recent ratio, at most a quarter above the likely count', () => {
    const calibration = createCalibration()
    for (const charged of [1_000, 1_100, 1_000, 1_000])
      for (let n = 0; n < 5; n++) calibration.learn(model, key, 1_000, charged)
    expect(calibration.correct(model, key, 10_000)).toMatchObject({ likely: 10_000, most: 11_000 })
    calibration.learn(model, key, 1_000, 3_900)
    expect(calibration.correct(model, key, 10_000)).toMatchObject({ likely: 10_000, most: 12_500 })
  })
})

test('budgets never pay less than by the lowest ratio, nor reserve less than by the prior', () => {
  const calibration = createCalibration()
  for (let n = 0; n < 50; n++) calibration.learn(model, key, 1_000, 300)
  expect(calibration.correct(model, key, 10_000)).toMatchObject({
    likely: 3_000,
    billed: { likely: 6_500, most: 11_500 },
  })
})
