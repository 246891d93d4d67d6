import type { TextPart, UserPart } from '../core/request.ts'
import { textIn } from './decode-text.ts'
import type { AttachmentLimits } from './limits.ts'
import type { PdfPage } from './pdf-messages.ts'
import type { ReadPdf } from './pdf-reader.ts'

export interface DocumentFile {
  data: Uint8Array
  /** Lower case. What the bytes say goes before it. */
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
 * A file as the model can read it; `undefined` for a type nobody here reads.
 *
 * Shape: `<document title="…" pages="3">`, each page behind `[page 1]`, `</document>`; the image of a page that is
 * only scanned stands behind its number. Errors: `invalid-request` for a PDF that is broken or protected.
 */
export async function readDocument(file: DocumentFile, options: ReadOptions): Promise<UserPart[] | undefined> {
  const { data, mediaType } = file
  if (isPdf(data) || mediaType === 'application/pdf') return pdfParts(file, options)
  const text = textIn(data, mediaType)
  return text === undefined ? undefined : [textDocument(file, text, options.limits)]
}

/** Readers accept the mark anywhere near the start. */
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

/** Said of a page whose words the model does not get. */
function remarkOn({ text, images }: PdfPage, vision: boolean): string {
  if (text !== '') return ''
  if (images.length > 0) return ' [no text layer; its picture follows]'
  return vision ? ' [no text layer, and no picture of it could be taken]' : ' [no text layer: it is scanned or empty]'
}

function openingTag(attributes: Record<string, string | undefined>): string {
  const written = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [` ${name}="${value.replaceAll('"', '&quot;')}"`],
  )
  return `<document${written.join('')}>`
}
