import { describe, expect, test } from 'bun:test'
import type { Message, UserPart } from '../../src/core/request.ts'
import { pdfOf } from '../support/pdf.ts'
import {
  answered,
  called,
  dataOf,
  document,
  gif,
  image,
  imageOf,
  limits,
  metadataOf,
  preparedParts,
  preparer,
  requestOf,
  result,
  said,
  sees,
  sizeOf,
  text,
} from './preparing.ts'

describe('images', () => {
  const conversions: [name: string, make: () => Promise<Uint8Array>, called: string, becomes: string][] = [
    ['PNG stays', () => imageOf(3, 2).png().bytes(), 'image/png', 'image/png'],
    ['JPEG stays', () => imageOf(3, 2).jpeg().bytes(), 'image/jpeg', 'image/jpeg'],
    ['JPEG that calls itself PNG', () => imageOf(3, 2).jpeg().bytes(), 'image/png', 'image/jpeg'],
    ['GIF', async () => gif, 'image/gif', 'image/png'],
    ['WebP', () => imageOf(3, 2).webp().bytes(), 'image/webp', 'image/png'],
  ]
  test.each(conversions)('%s', async (_name, make, calledType, becomes) => {
    const data = await make()
    const [part] = await preparedParts({ model: sees }, said(image(data, calledType)))
    expect(part).toMatchObject({ source: { mediaType: becomes } })
    expect(`image/${(await metadataOf(part)).format}`).toBe(becomes)
    if (calledType === becomes) expect(part).toEqual(image(data, calledType))
  })

  test.each([
    ['nobody here decodes', Buffer.from('II*\0\x08\0\0\0'), 'image/tiff'],
    ['of an unknown type', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'image/svg+xml'],
  ])('an image %s passes', async (_name, data, mediaType) => {
    if (mediaType === 'image/tiff' && process.platform !== 'linux') return
    expect(await preparedParts({ model: sees }, said(image(data, mediaType)))).toEqual([image(data, mediaType)])
  })

  test('by URL stays for the upstream to fetch', async () => {
    const part: UserPart = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }
    expect(await preparedParts({ model: sees }, said(part))).toEqual([part])
  })

  test('too many pixels are scaled down', async () => {
    const data = await imageOf(300, 100).png().bytes()
    const [part] = await preparedParts({ model: sees, limits: { ...limits, maxImageSide: 30 } }, said(image(data)))
    expect(await sizeOf(part)).toEqual({ width: 30, height: 10 })
  })

  test('an image of too many bytes is compressed', async () => {
    const noise = new Uint8Array(64 * 64 * 3)
    let seed = 1
    for (const index of noise.keys()) {
      seed = (seed * 48_271) % 2_147_483_647
      noise[index] = seed & 255
    }
    const page = { width: 64, height: 64, data: noise, is: '/ColorSpace/DeviceRGB/BitsPerComponent 8' }
    const [, scan] = await preparedParts({ model: sees }, said(document(pdfOf([{ image: page }]))))
    const data = await new Bun.Image(dataOf(scan)).png().bytes()
    const maxImageBytes = Math.floor(data.length / 2)
    const [part] = await preparedParts({ model: sees, limits: { ...limits, maxImageBytes } }, said(image(data)))
    expect(part).toMatchObject({ source: { mediaType: 'image/jpeg' } })
    expect(dataOf(part).length).toBeLessThanOrEqual(maxImageBytes)
  })

  test('inside a document are images', async () => {
    const data = await imageOf(3, 2).png().bytes()
    expect(await preparedParts({ model: sees }, said(document(data, 'image/png')))).toEqual([image(data)])
  })
})

describe('an image for a model without vision', () => {
  const now =
    '[An image was here. GLM-5 cannot see images: the answer has to say so; a vision model such as GLM-4.6V can.]'
  const before = '[image omitted: GLM-5 cannot see images; choose a vision model such as GLM-4.6V]'
  const seen = image(gif, 'image/gif')
  const places: [name: string, part: UserPart, messages: (part: UserPart) => Message[], words: string][] = [
    ['just sent', seen, (part) => [said(text('What is this?'), part)], now],
    [
      'just sent by URL',
      { type: 'image', source: { type: 'url', url: 'https://a.example/' } },
      (part) => [said(part)],
      now,
    ],
    ['just sent as a file', document(gif, 'image/gif', 'a.gif'), (part) => [said(part)], now],
    ['in an older turn', seen, (part) => [said(part), answered, said(text('Go on.'))], before],
    ['in a tool result', seen, (part) => [called, result(part)], before],
  ]
  test.each(places)('%s becomes text and is listed as ignored', async (_name, part, messages, words) => {
    const prepared = await preparer().prepare(requestOf(...messages(part)))
    expect(prepared.ignored).toEqual(['images'])
    expect(prepared.messages).toEqual(messages(text(words)))
  })

  test('is passed to an upstream that refuses it, but only in the latest turn', async () => {
    const { prepare } = preparer({ upstream: { rejectsUnseenImages: true } })
    expect(await prepare(requestOf(said(seen), answered, said(document(gif))))).toMatchObject({
      ignored: ['images'],
      messages: [said(text(before)), answered, said(seen)],
    })
  })
})
