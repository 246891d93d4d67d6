import type { Clock } from '../core/clock.ts'
import { type EmbeddedImage, pageImage } from './convert-image.ts'
import { loadPdfLibrary, type PdfDocument, type PdfLibrary, type PdfPageHandle } from './pdf-library.ts'
import { type PdfMessage, type PdfOptions, type PdfPage, tookTooLong } from './pdf-messages.ts'
import { encodePng, type Pixels } from './png.ts'

/** The context of reading one document. */
interface PdfReading extends PdfOptions {
  library: PdfLibrary
  hasTime: () => boolean
  /** Resolves when the time is over. */
  late: Promise<undefined>
}

/**
 * Reads the text of a PDF page by page, and the images of pages without text. Never rejects, because errors are emitted
 * as messages.
 *
 * The file determines how much time and memory it takes, so this runs in a worker thread. The deadline is checked
 * between pages and between chunks of a page.
 */
export async function readPdf(
  data: Uint8Array,
  options: PdfOptions,
  clock: Clock,
  emit: (step: PdfMessage) => void,
): Promise<void> {
  const { pdfTimeMs } = options.limits
  const deadline = clock.monotonic() + pdfTimeMs
  const late = Promise.withResolvers<undefined>()
  const stop = clock.after(pdfTimeMs, () => late.resolve(undefined))
  try {
    const library = await loadPdfLibrary()
    const reading = { ...options, library, late: late.promise, hasTime: () => clock.monotonic() < deadline }
    const document = await library.open(data)
    emit({ type: 'opened', pageCount: document.numPages })
    emit({ type: 'end', cut: await readPages(document, reading, (page) => emit({ type: 'page', page })) })
  } catch (thrown) {
    const isProtected = thrown instanceof Error && thrown.name === 'PasswordException'
    emit({ type: 'refused', because: isProtected ? 'protected' : 'broken' })
  } finally {
    stop()
  }
}

/** Reads pages up to the limits. Resolves with the reason if some are left out. */
async function readPages(
  document: PdfDocument,
  reading: PdfReading,
  emit: (page: PdfPage) => void,
): Promise<string | undefined> {
  const { maxDocumentPages, maxDocumentCharacters, maxScannedPages, pdfTimeMs } = reading.limits
  let characters = 0
  let scanned = 0
  for (let number = 1; number <= document.numPages; number++) {
    if (number > maxDocumentPages) return `only the first ${maxDocumentPages} pages are read`
    if (!reading.hasTime()) return tookTooLong(pdfTimeMs)
    const page = await readPage(document, number, scanned < maxScannedPages, reading)
    if (page.images.length > 0) scanned++
    characters += page.text.length
    const excess = characters - maxDocumentCharacters
    if (excess > 0) {
      emit({ ...page, text: page.text.slice(0, page.text.length - excess).toWellFormed() })
      return `only the first ${maxDocumentCharacters} characters are read`
    }
    emit(page)
  }
  return undefined
}

/** Reads one page. A damaged page counts as an empty one. */
async function readPage(
  document: PdfDocument,
  number: number,
  mayShow: boolean,
  reading: PdfReading,
): Promise<PdfPage> {
  try {
    const page = await document.getPage(number)
    try {
      const text = await textOf(page, reading)
      const images = text === '' && mayShow && reading.vision ? await imagesOf(page, reading) : []
      return { text, images }
    } finally {
      page.cleanup()
    }
  } catch {
    return { text: '', images: [] }
  }
}

async function textOf(page: PdfPageHandle, { limits, hasTime }: PdfReading): Promise<string> {
  const pieces = page.streamTextContent().getReader()
  let text = ''
  for (;;) {
    const { value, done } = await pieces.read()
    if (done) break
    for (const item of value.items) if ('str' in item) text += item.hasEOL ? `${item.str}\n` : item.str
    if (text.length > limits.maxDocumentCharacters || !hasTime()) {
      // Not awaited, because the promise settles only once the page is read to the end.
      pieces.cancel().catch(() => {})
      break
    }
  }
  return text
    .replaceAll('\0', '')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
    .toWellFormed()
}

/**
 * Scanners may cut a page into strips, so several images are kept. An image with less than this share of the largest
 * one's area is a logo or a stamp.
 */
const minShare = 1 / 8
const maxStrips = 8

async function imagesOf(page: PdfPageHandle, { library, limits, late }: PdfReading): Promise<EmbeddedImage[]> {
  const found = await library.pixelsOn(page, late)
  const area = ({ width, height }: Pixels) => width * height
  const largest = Math.max(0, ...found.map(area))
  const strips = found.filter((pixels) => area(pixels) >= largest * minShare).slice(0, maxStrips)
  return Promise.all(strips.map((pixels) => pageImage(encodePng(pixels), page.rotate, limits)))
}
