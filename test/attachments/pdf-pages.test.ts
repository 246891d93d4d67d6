import { describe, expect, test } from 'bun:test'
import { type PageBody, pdfOf, readPdfInThread } from '../support/pdf.ts'
import { document, imageOf, limits, preparedParts, said, sees, sizeOf, text, twoPages } from './preparing.ts'

describe('the limits of a PDF', () => {
  test.each([
    ['pages', { maxDocumentPages: 1 }, '[page 1]\nThe first page\n[cut off here: only the first 1 pages are read]'],
    [
      'characters',
      { maxDocumentCharacters: 20 },
      '[page 1]\nThe first page\n[page 2]\nThe se\n[cut off here: only the first 20 characters are read]',
    ],
    ['time', { pdfTimeMs: 0 }, '[cut off here: reading took longer than 0 s]'],
  ])('%s', async (_name, less, expected) => {
    expect(await preparedParts({ limits: { ...limits, ...less } }, said(document(twoPages)))).toEqual([
      text(`<document pages="2">\n${expected}\n</document>`),
    ])
  })

  test('other requests go on while a long one is read', async () => {
    const numbers = Array.from({ length: 40 }, (_, index) => index + 1)
    const long = pdfOf(numbers.map((number) => ({ lines: [`This is page ${number}`] })))
    let turns = 0
    const ticking = setInterval(() => turns++, 0)
    const parts = await preparedParts({ readPdf: readPdfInThread }, said(document(long)))
    clearInterval(ticking)
    const pages = numbers.map((number) => `[page ${number}]\nThis is page ${number}`)
    expect(parts).toEqual([text(`<document pages="40">\n${pages.join('\n')}\n</document>`)])
    expect(turns).toBeGreaterThan(3)
  })

  test('a text file is cut at the same length', async () => {
    const part = document('abcdef', 'text/plain')
    expect(await preparedParts({ limits: { ...limits, maxDocumentCharacters: 3 } }, said(part))).toEqual([
      text('<document>\nabc\n[cut off here, after 3 characters]\n</document>'),
    ])
  })
})

describe('scanned pages', () => {
  const bits = { width: 16, height: 2, data: new Uint8Array(4), is: '/ColorSpace/DeviceGray/BitsPerComponent 1' }
  const rgb = {
    width: 4,
    height: 2,
    data: new Uint8Array(24).fill(200),
    is: '/ColorSpace/DeviceRGB/BitsPerComponent 8',
  }
  const stencil = { width: 16, height: 2, data: new Uint8Array(4), is: '/ImageMask true/BitsPerComponent 1' }

  const scans: [name: string, page: PageBody, width: number, height: number][] = [
    ['in colours', { image: rgb }, 4, 2],
    ['turned', { image: rgb, rotate: 90 }, 2, 4],
    ['in black and white', { image: bits }, 16, 2],
    ['as a stencil', { image: stencil }, 16, 2],
  ]
  test.each(scans)('%s are shown to a model with vision', async (_name, page, width, height) => {
    const parts = await preparedParts({ model: sees }, said(document(pdfOf([{ lines: ['Cover'] }, page]))))
    expect(parts).toEqual([
      text('<document pages="2">\n[page 1]\nCover\n[page 2] [no text layer; its image follows]'),
      { type: 'image', source: { type: 'base64', mediaType: 'image/jpeg', data: expect.any(String) } },
      text('</document>'),
    ])
    expect(await sizeOf(parts[1])).toEqual({ width, height })
  })

  test('with a JPEG are shown', async () => {
    const data = await imageOf(20, 10).jpeg().bytes()
    const is = '/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/DCTDecode'
    const parts = await preparedParts(
      { model: sees },
      said(document(pdfOf([{ image: { width: 20, height: 10, data, is } }]))),
    )
    expect(await sizeOf(parts[1])).toEqual({ width: 20, height: 10 })
  })

  test('are only named for a model without vision, and beyond the limit', async () => {
    const scan = document(pdfOf([{ image: rgb }, { image: rgb }]))
    expect(await preparedParts({}, said(scan))).toEqual([
      text(
        '<document pages="2">\n[page 1] [no text layer: it is scanned or empty]\n[page 2] [no text layer: it is scanned or empty]\n</document>',
      ),
    ])
    const [, , rest] = await preparedParts({ model: sees, limits: { ...limits, maxScannedPages: 1 } }, said(scan))
    expect(rest).toEqual(text('[page 2] [no text layer, and no image of it could be made]\n</document>'))
  })
})
