import { describe, expect, test } from 'bun:test'
import type { ChatRequest, UserPart } from '../../src/core/request.ts'
import type { Model } from '../../src/core/upstream.ts'
import { createTokenMeter } from '../../src/gateway/token-meter.ts'
import { plainModel, replyingWith } from '../support/replies.ts'
import { plainRequest } from '../support/request.ts'

const upstream = replyingWith(() => [])
const reader: Model = { ...plainModel, vision: true, video: true, files: true, contextTokens: 60_000 }
const words: UserPart & { type: 'text' } = {
  type: 'text',
  text: 'The lighthouse keeper counted seven ships. '.repeat(20),
}
const file: UserPart = { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }
const video: UserPart = { type: 'video', source: { type: 'url', url: 'https://example.com/a.mp4' } }
const clip: UserPart = { type: 'video', source: { type: 'base64', mediaType: 'video/mp4', data: 'AAAA' } }
const image: UserPart = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }

async function measured(parts: UserPart[], { model = reader, search = false, meter = createTokenMeter() } = {}) {
  const request: ChatRequest = plainRequest({ search, messages: [{ role: 'user', parts }] })
  const route = { upstream, model, request, reasoningByName: false, searchByName: false, by: 'its name' as const }
  const { billed, ...measurement } = await meter.measure(route, 'alice')
  return { ...measurement, billed: { ...billed, most: billed.most() } }
}

describe('a prompt is paid for', () => {
  test('by its count; what is reserved is enough for any vocabulary', async () => {
    const { billed, inputTokens } = await measured([words])
    expect(billed).toEqual({ most: words.text.length + 26, unreported: inputTokens, isOpenEnded: false })
  })

  test('as the context window at most, where its text is longer', async () => {
    const { billed } = await measured([{ type: 'text', text: 'Seven ships. '.repeat(10_000) }])
    expect(billed).toMatchObject({ most: 60_000, isOpenEnded: false })
  })

  test.each<[string, UserPart]>([
    ['a file by URL', file],
    ['a video by URL', video],
    ['a video', clip],
  ])('as the whole context window, with %s', async (_name, part) => {
    const { billed } = await measured([words, part])
    expect(billed).toEqual({ most: 60_000, unreported: 60_000, isOpenEnded: true })
  })

  test('as the longest context window where that of the model is not known', async () => {
    const { contextTokens: _, ...unknown } = reader
    expect((await measured([file], { model: unknown })).billed.most).toBe(1_048_576)
  })

  test('by its count, where the model does not read the file', async () => {
    const { billed } = await measured([words, file, video], { model: plainModel })
    expect(billed.isOpenEnded).toBe(false)
  })

  test('with room for what a web search finds, which costs only what comes of it', async () => {
    const { billed, inputTokens } = await measured([words], { search: true })
    expect(billed).toEqual({ most: 60_000, unreported: inputTokens, isOpenEnded: true })
  })

  test('as if each image by URL were of the largest size', async () => {
    const one = (await measured([words, image])).billed
    const two = (await measured([words, image, image])).billed
    expect(two.most - one.most).toBeGreaterThan(7_500)
    expect(two.unreported - one.unreported).toBeGreaterThan(7_500)
  })
})

test.each<[string, UserPart[], boolean]>([
  ['with a file', [words, file], false],
  ['with a video', [words, clip], false],
  ['with an image', [words, image], false],
  ['with a search', [words], true],
])('nothing is learned from a prompt %s', async (_name, parts, search) => {
  const meter = createTokenMeter()
  const { inputTokens } = await measured([words], { meter })
  for (let n = 0; n < 50; n++) {
    const measurement = await measured(parts, { meter, search })
    measurement.learn({ inputTokens: measurement.inputTokens * 2, outputTokens: 1 })
  }
  expect((await measured([words], { meter })).inputTokens).toBe(inputTokens)
  for (let n = 0; n < 50; n++)
    (await measured([words], { meter })).learn({ inputTokens: inputTokens * 2, outputTokens: 1 })
  expect((await measured([words], { meter })).inputTokens).toBeCloseTo(inputTokens * 2, -1)
})
