import type { TextPart, UserPart } from '../core/request.ts'
import { textIn } from './decode-text.ts'
import type { AttachmentLimits } from './limits.ts'
import type { PdfPage } from './pdf-messages.ts'
import type { ReadPdf } from './pdf-reader.ts'

export interface DocumentFile {
  data: Uint8Array
  /** In lower case. The first bytes of a PDF take precedence over it. */
  mediaType: string
  title: string | undefined
}

export interface ReadOptions {
  vision: boolean
  limits: AttachmentLimits
  readPdf: ReadPdf
  signal: AbortSignal
  annotate: (note: string) => void
}

/**
 * Converts a file into parts that the model can read; `undefined` for an unsupported type.
 *
 * Shape: `<document title="…" pages="3">`, then each page after a line such as `[page 1]`, then `</document>`. A page
 * without a text layer has images after that line instead of text. Errors: `invalid-request` for a broken or protected
 * PDF.
 */
export async function readDocument(file: DocumentFile, options: ReadOptions): Promise<UserPart[] | undefined> {
  const { data, mediaType } = file
  if (isPdf(data) || mediaType === 'application/pdf') return pdfParts(file, options)
  const text = textIn(data, mediaType)
  return text === undefined ? undefined : [textDocument(file, text, options.limits)]
}

/** Like other PDF readers, accepts the signature anywhere in the first 1,024 bytes. */
function isPdf(data: Uint8Array): boolean {
  return Buffer.from(data.subarray(0, 1024)).includes('%PDF-')
}

function textDocument({ title }: DocumentFile, text: string, { maxDocumentCharacters }: AttachmentLimits): TextPart {
  const cut = text.length > maxDocumentCharacters ? [`[cut off here, after ${maxDocumentCharacters} characters]`] : []
  const shown = text.slice(0, maxDocumentCharacters).toWellFormed()
  return { type: 'text', text: [openingTag({ title }), shown, ...cut, '</document>'].join('\n') }
}

async function pdfParts({ data, title }: DocumentFile, options: ReadOptions): Promise<UserPart[]> {
  const { vision, limits, signal, readPdf } = options
  const { pageCount, pages, cut } = await readPdf(data, { vision, limits }, signal)
  options.annotate(`PDF read: ${pages.length} of ${pageCount} pages`)
  const parts: UserPart[] = []
  let lines = [openingTag({ title, pages: String(pageCount) })]
  for (const [index, page] of pages.entries()) {
    lines.push(`[page ${index + 1}]${remarkOn(page, vision)}`)
    if (page.text !== '') lines.push(page.text)
    if (page.images.length === 0) continue
    parts.push({ type: 'text', text: lines.join('\n') }, ...page.images)
    lines = []
  }
  if (cut !== undefined) lines.push(`[cut off here: ${cut}]`)
  return [...parts, { type: 'text', text: [...lines, '</document>'].join('\n') }]
}

/** A note to the model about a page without a text layer; '' for any other page. */
function remarkOn({ text, images }: PdfPage, vision: boolean): string {
  if (text !== '') return ''
  if (images.length > 0) return ' [no text layer; its image follows]'
  return vision ? ' [no text layer, and no image of it could be made]' : ' [no text layer: it is scanned or empty]'
}

function openingTag(attributes: Record<string, string | undefined>): string {
  const written = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [` ${name}="${value.replaceAll('"', '&quot;')}"`],
  )
  return `<document${written.join('')}>`
}
