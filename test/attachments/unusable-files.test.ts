import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import type { Message, UserPart } from '../../src/core/request.ts'
import { pdfOf } from '../support/pdf.ts'
import {
  answered,
  called,
  document,
  gif,
  image,
  imageOf,
  letter,
  limits,
  preparer,
  remote,
  requestOf,
  result,
  said,
  sees,
  text,
  type World,
} from './preparing.ts'

async function failure(world: World, ...messages: Message[]): Promise<unknown> {
  return preparer(world)
    .prepare(requestOf(...messages))
    .catch((thrown: unknown) => thrown)
}

const locked = pdfOf(
  [{ lines: ['secret'] }],
  `/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<${'41'.repeat(32)}>/U<${'42'.repeat(32)}>>>`,
)

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
