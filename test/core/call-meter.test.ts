import { describe, expect, test } from 'bun:test'
import { callMeter, type MeterOptions } from '../../src/core/call-meter.ts'

/** Each character is a token, and the prompt has 10. */
function meter(more: Partial<MeterOptions> = {}) {
  let counted = 0
  const countTokens = (text: string) => {
    counted += text.length
    return text.length
  }
  const call = callMeter({ upstream: 'u', model: 'm', inputTokens: 10, countTokens, ...more })
  return { ...call, call, counted: () => counted }
}

const output = (usage: { outputTokens: number } | undefined) => usage?.outputTokens

describe('a call has cost', () => {
  test('nothing before it is sent, nor if it is refused', () => {
    const { call } = meter()
    expect(call.usage()).toBeUndefined()
    call.sent()
    expect(call.usage()).toEqual({ inputTokens: 10, outputTokens: 0 })
    call.refused()
    expect(call.usage()).toBeUndefined()
  })

  test('what it has written, also if it is refused then', () => {
    const { call } = meter()
    call.sent()
    call.wrote('four')
    call.refused()
    expect(call.usage()).toEqual({ inputTokens: 10, outputTokens: 4 })
  })

  test('what was found for its prompt', () => {
    const { call } = meter()
    call.sent()
    call.read('found')
    expect(call.usage()).toEqual({ inputTokens: 15, outputTokens: 0 })
    call.reported({ inputTokens: 900, outputTokens: 1 })
    expect(call.usage()).toEqual({ inputTokens: 900, outputTokens: 1 })
  })

  test('what was reported last, and what came behind it unless that was the end', () => {
    const { call } = meter()
    call.wrote('before')
    call.reported({ inputTokens: 5, outputTokens: 100, cachedInputTokens: 2 })
    call.reported({ inputTokens: 7, outputTokens: 200, cachedInputTokens: 2 })
    call.wrote('behind')
    expect(call.usage()).toEqual({ inputTokens: 7, outputTokens: 206, cachedInputTokens: 2 })
    call.finished()
    expect(call.usage()).toEqual({ inputTokens: 7, outputTokens: 200, cachedInputTokens: 2 })
  })
})

test('a long reply is counted by samples from all of it', () => {
  // The first half costs nothing, in pieces of any length.
  const isDear = (char: string) => char === 'x'
  const { call, counted } = meter({ countTokens: (text) => [...text].filter(isDear).length })
  for (let n = 0; n < 20_000; n++) call.wrote('.'.repeat(1 + (n % 9)))
  for (let n = 0; n < 20_000; n++) call.wrote('x'.repeat(1 + (n % 9)))
  const wholeLength = 20_000 * 5
  expect(Math.abs((output(call.usage()) ?? 0) / wholeLength - 1)).toBeLessThan(0.15)
  expect(counted()).toBe(0)
})

test('a long reply in pieces that all begin between two samples is counted, too', () => {
  const { call } = meter()
  for (const length of [9_000, 8_192, 8_192]) call.wrote('x'.repeat(length))
  expect(output(call.usage())).toBe(25_384)
})

test('nothing is counted until somebody asks', () => {
  const { call, counted } = meter()
  for (let n = 0; n < 10_000; n++) call.wrote('word ')
  expect(counted()).toBe(0)
  call.usage()
  expect(counted()).toBeLessThan(20_000)
})

test('a reply with a limit says when it is exceeded', () => {
  const { call } = meter({ limit: { tokens: 1_000, pieceLength: 100 } })
  for (let n = 0; n < 1_000; n += 10) call.wrote('0123456789')
  expect(call.isExceeded).toBe(false)
  for (let n = 0; n < 100; n += 10) call.wrote('0123456789')
  expect(call.isExceeded).toBe(true)
})
