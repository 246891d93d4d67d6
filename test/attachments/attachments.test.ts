import { describe, expect, test } from 'bun:test'
import type { AttachmentOptions } from '../../src/attachments/index.ts'
import type { UserPart } from '../../src/core/request.ts'
import { pdfOf } from '../support/pdf.ts'
import {
  answered,
  base64Of,
  called,
  document,
  letter,
  limits,
  preparedParts,
  preparer,
  remote,
  requestOf,
  result,
  said,
  text,
  twoPages,
} from './preparing.ts'

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
