import { describe, expect, test } from 'bun:test'
import { type AttachmentOptions, type AttachmentReader, createAttachments } from '../../src/attachments/index.ts'
import { type AttachmentLimits, limitsWith } from '../../src/attachments/limits.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { ChatRequest, Message, UserPart } from '../../src/core/request.ts'
import type { Model } from '../../src/core/upstream.ts'
import { type PageBody, pdfOf, readPdfHere, readPdfInThread } from '../support/pdf.ts'
import { plainRequest } from '../support/request.ts'

const sees: Model = {
  id: 'GLM-4.6V',
  upstreamId: 'glm-4.6v',
  createdAtSeconds: 0,
  vision: true,
  reasoning: 'never',
  search: false,
}
const blind: Model = { ...sees, id: 'GLM-5', upstreamId: 'glm-5', vision: false }

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))
const base64Of = (data: string | Uint8Array) => Buffer.from(data).toString('base64')
const gif = bytesOf('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7')
const imageOf = (width: number, height: number) => new Bun.Image(gif).resize(width, height)

const text = (words: string): UserPart => ({ type: 'text', text: words })
const image = (data: Uint8Array | string, mediaType = 'image/png'): UserPart => ({
  type: 'image',
  source: { type: 'base64', mediaType, data: base64Of(data) },
})
const document = (data: Uint8Array | string, mediaType = 'application/pdf', title?: string): UserPart => ({
  type: 'document',
  ...(title === undefined ? {} : { title }),
  source: { type: 'base64', mediaType, data: base64Of(data) },
})
const remote = (url: string): UserPart => ({ type: 'document', source: { type: 'url', url } })

const said = (...parts: UserPart[]): Message => ({ role: 'user', parts })
const answered: Message = { role: 'assistant', parts: [{ type: 'text', text: 'I see.' }] }
const called: Message = {
  role: 'assistant',
  parts: [{ type: 'tool-call', id: 'call-1', name: 'read', arguments: '{}' }],
}
const result = (...parts: UserPart[]): Message => ({ role: 'tool', callId: 'call-1', parts, isError: false })

function requestOf(...messages: Message[]): ChatRequest {
  return plainRequest({
    model: 'any',
    messages,
  })
}

interface World extends Partial<AttachmentOptions> {
  model?: Model
  upstream?: AttachmentReader['upstream']
  counting?: boolean
  limits?: AttachmentLimits
  signal?: AbortSignal
}

const limits = limitsWith(1024 * 1024)

function preparer(world: World = {}) {
  const { model = blind, upstream = {}, counting = false, signal = new AbortController().signal, ...more } = world
  const notes: string[] = []
  const prepare = createAttachments({
    fetchFile: async () => {
      throw new Error('nothing is fetched here')
    },
    readPdf: readPdfHere,
    limits,
    visionExample: 'GLM-4.6V',
    ...more,
  })
  const annotate = (words: string) => void notes.push(words)
  return {
    notes,
    prepare: (request: ChatRequest) => prepare(request, { model, upstream }, { counting, signal, annotate }),
  }
}

/** The prepared form of one message at the end of a conversation. */
async function preparedParts(world: World, ...messages: Message[]): Promise<UserPart[]> {
  const { messages: prepared } = await preparer(world).prepare(requestOf(...messages))
  const last = prepared.at(-1)
  return last?.role === 'user' || last?.role === 'tool' ? last.parts : []
}

async function failure(world: World, ...messages: Message[]): Promise<unknown> {
  return preparer(world)
    .prepare(requestOf(...messages))
    .catch((thrown: unknown) => thrown)
}

const letter = pdfOf([{ lines: ['Dear reader,', 'all is well.'] }])
const twoPages = pdfOf([{ lines: ['The first page'] }, { lines: ['The second page'] }])
const locked = pdfOf(
  [{ lines: ['secret'] }],
  `/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<${'41'.repeat(32)}>/U<${'42'.repeat(32)}>>>`,
)

describe('documents', () => {
  const kinds: [name: string, part: UserPart, expected: string][] = [
    ['a PDF', document(letter), '<document pages="1">\n[page 1]\nDear reader,\nall is well.\n</document>'],
    [
      'a PDF of two pages with a title',
      document(twoPages, 'application/pdf', 'the "report".pdf'),
      '<document title="the &quot;report&quot;.pdf" pages="2">\n[page 1]\nThe first page\n[page 2]\nThe second page\n</document>',
    ],
    [
      'a PDF under another name',
      document(letter, 'application/octet-stream'),
      '<document pages="1">\n[page 1]\nDear reader,\nall is well.\n</document>',
    ],
    [
      'a page that is empty',
      document(pdfOf([{}])),
      '<document pages="1">\n[page 1] [no text layer: it is scanned or empty]\n</document>',
    ],
    ['JSON', document('{"a":1}', 'application/json', 'a.json'), '<document title="a.json">\n{"a":1}\n</document>'],
    ['a text of unknown type', document('grün', 'application/octet-stream'), '<document>\ngrün\n</document>'],
    [
      'a Chinese table in its old encoding',
      document(new Uint8Array([0xc4, 0xe3, 0xba, 0xc3, 0x2c, 0x31]), 'text/csv'),
      '<document>\n你好,1\n</document>',
    ],
    [
      'a text in UTF-16',
      document(new Uint8Array([0xff, 0xfe, 0x60, 0x4f]), 'text/plain'),
      '<document>\n你\n</document>',
    ],
    [
      'a PDF in a data URL',
      remote(`data:application/pdf;base64,${base64Of(letter)}`),
      '<document pages="1">\n[page 1]\nDear reader,\nall is well.\n</document>',
    ],
  ]
  test.each(kinds)('%s becomes text', async (_name, part, expected) => {
    expect(await preparedParts({}, said(text('Read.'), part))).toEqual([text('Read.'), text(expected)])
    expect(await preparedParts({}, called, result(part))).toEqual([text(expected)])
  })

  test('a file of an unsupported type is named in the text and listed as ignored', async () => {
    const office = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'
    const { prepare } = preparer()
    expect(await prepare(requestOf(said(document('PK\x03\x04\0\xff', office, 'plan.docx'))))).toMatchObject({
      ignored: ['documents'],
      messages: [
        said(text(`[The file "plan.docx" (${office}) was attached here, but only PDF, text and images can be read.]`)),
      ],
    })
  })

  test('a file by URL is fetched within the limit', async () => {
    const asked: unknown[] = []
    const fetchFile: AttachmentOptions['fetchFile'] = async (url, _signal, maxBytes) => {
      asked.push([url, maxBytes])
      return { data: letter, mediaType: 'text/html' }
    }
    expect(await preparedParts({ fetchFile }, said(remote('https://example.com/letter')))).toEqual([
      text('<document pages="1">\n[page 1]\nDear reader,\nall is well.\n</document>'),
    ])
    expect(asked).toEqual([['https://example.com/letter', limits.maxDocumentBytes]])
  })

  test('a file that is sent again is not read again', async () => {
    const { notes, prepare } = preparer()
    const request = requestOf(said(document(letter)), answered, said(text('And?')))
    expect(await prepare(request)).toEqual(await prepare(request))
    expect(notes).toEqual(['PDF read: 1 of 1 pages'])
  })
})

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

const broken = document('%PDF-1.4 and nothing else')
const refusals: [name: string, world: World, part: UserPart, error: object, remark: string][] = [
  [
    'a broken PDF',
    {},
    broken,
    { kind: 'invalid-request', code: 'invalid_document', param: 'messages' },
    '[A file was attached here, but the model cannot have it. The PDF is broken and cannot be read; send a whole file.]',
  ],
  [
    'a PDF behind a password',
    {},
    document(locked, 'application/pdf', 'pay.pdf'),
    {
      kind: 'invalid-request',
      code: 'invalid_document',
      message: 'The file "pay.pdf": The PDF is protected by a password; send it without one.',
    },
    '[The file "pay.pdf" was attached here, but the model cannot have it. The PDF is protected by a password; send it without one.]',
  ],
  [
    'a damaged image',
    { model: sees },
    image('GIF89a and nothing else', 'image/gif'),
    { kind: 'invalid-request', code: 'invalid_image', param: 'messages' },
    '[An image was attached here, but the model cannot have it. The image (image/gif) is damaged and cannot be decoded.]',
  ],
  [
    'a PNG with a damaged header',
    { model: sees },
    image(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')),
    { kind: 'invalid-request', code: 'invalid_image', param: 'messages' },
    '[An image was attached here, but the model cannot have it. The image (image/png) is damaged and cannot be decoded.]',
  ],
  [
    'a text that calls itself a JPEG',
    { model: sees },
    image('nothing to see', 'image/jpeg'),
    { kind: 'invalid-request', code: 'invalid_image', param: 'messages' },
    '[An image was attached here, but the model cannot have it. The image (image/jpeg) is damaged and cannot be decoded.]',
  ],
  [
    'an image that stays too large',
    { model: sees, limits: { ...limits, maxImageBytes: 20 } },
    image(gif, 'image/gif'),
    { kind: 'too-large', code: 'image_too_large', param: 'messages' },
    '[An image was attached here, but the model cannot have it. An image in the messages is too large: at most 0 MiB, 6000 pixels a side and 64 million pixels.]',
  ],
  [
    'a file that cannot be fetched',
    {
      fetchFile: async () => {
        throw new GatewayError('invalid-request', 'The host said no.', { code: 'remote_file_unavailable' })
      },
    },
    remote('https://example.com/a.pdf'),
    { kind: 'invalid-request', code: 'remote_file_unavailable' },
    '[A file was attached here, but the model cannot have it. The host said no.]',
  ],
]

describe('an unusable file', () => {
  test.each(refusals)('%s is an error in the latest turn', async (_name, world, part, error) => {
    expect(await failure(world, said(text('Look.'), part))).toMatchObject(error)
    expect(await failure(world, said(text('Hello')), answered, said(part), said(text('Look.')))).toMatchObject(error)
  })

  test.each(refusals)('%s is a remark everywhere else', async (_name, world, part, _error, remark) => {
    const places = {
      'in an older turn': [said(part), answered, said(text('Go on.'))],
      'in a tool result': [said(text('Read it.')), called, result(part)],
      'beside a tool result': [called, result(text('Read.')), said(part)],
      'before a tool result': [called, said(part), result(text('Read.'))],
    }
    for (const messages of Object.values(places)) {
      const prepared = await preparer(world).prepare(requestOf(...messages))
      expect(JSON.stringify(prepared.messages)).toContain(JSON.stringify(text(remark)))
      expect(prepared.ignored).toEqual([part.type === 'image' ? 'images' : 'documents'])
    }
  })

  test('after the client has disconnected there is no remark', async () => {
    const signal = AbortSignal.abort()
    const large = image(
      await imageOf(limits.maxImageSide + 1, 1)
        .png()
        .bytes(),
    )
    for (const part of [document(letter), large])
      expect(await failure({ model: sees, signal }, called, result(part))).toMatchObject({ kind: 'cancelled' })
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

test('for counting, files given by URL are not fetched', async () => {
  const request = requestOf(said(remote('https://example.com/a.pdf'), document(letter)))
  const { messages } = await preparer({ counting: true }).prepare(request)
  expect(messages).toEqual([
    said(
      remote('https://example.com/a.pdf'),
      text('<document pages="1">\n[page 1]\nDear reader,\nall is well.\n</document>'),
    ),
  ])
})

test('a request without attachments is returned unchanged', async () => {
  const request = requestOf(said(text('Hello')), answered, said(text('Bye')))
  expect(await preparer().prepare(request)).toBe(request)
})

function dataOf(part: UserPart | undefined): Uint8Array<ArrayBuffer> {
  if (part?.type !== 'image' || part.source.type !== 'base64') throw new Error('not an image in the request')
  return bytesOf(part.source.data)
}

function metadataOf(part: UserPart | undefined) {
  return new Bun.Image(dataOf(part)).metadata()
}

async function sizeOf(part: UserPart | undefined) {
  const { width, height } = await metadataOf(part)
  return { width, height }
}
