import { systemClock } from '../../src/async/system-clock.ts'
import { readPdf } from '../../src/attachments/pdf.ts'
import type { PdfJob, PdfMessage } from '../../src/attachments/pdf-messages.ts'
import { createPdfReader } from '../../src/attachments/pdf-reader.ts'
import { startPdfWorker } from '../../src/attachments/start-pdf-worker.ts'
import { manualClock } from './clock.ts'

/** Reads as the gateway does: in worker threads, each of which takes half a second of CPU time to start. */
export const readPdfInThread = createPdfReader({
  startThread: startPdfWorker,
  clock: systemClock,
  memory: { held: process.memoryUsage.rss, left: process.availableMemory },
})

/** Reads with the code of the worker in this thread. Its clock stands still, so that nothing takes too long on a busy machine. */
export const readPdfHere = createPdfReader({
  startThread() {
    const thread: ReturnType<Parameters<typeof createPdfReader>[0]['startThread']> = {
      onmessage: null,
      onerror: null,
      postMessage({ data, options }: PdfJob) {
        const emit = (step: PdfMessage) =>
          Reflect.apply(thread.onmessage ?? (() => {}), thread, [new MessageEvent('message', { data: step })])
        void readPdf(data, options, manualClock(), emit)
      },
      terminate() {},
    }
    return thread
  },
  clock: manualClock(),
  memory: { held: () => 0, left: () => 1 },
})

/** A page: its words, one line each, or an image over all of it, or raw drawing operators, which may be packed. */
export interface PageBody {
  lines?: string[]
  image?: PageImage
  rotate?: number
  content?: string
  deflated?: Uint8Array
}

export interface PageImage {
  width: number
  height: number
  data: Uint8Array
  /** The rest of the image's dictionary: `/ColorSpace/DeviceRGB/BitsPerComponent 8`. */
  is: string
}

/** A small, complete PDF, written by hand; `trailer` adds to the trailer's dictionary. */
export function pdfOf(pages: readonly PageBody[], trailer = ''): Uint8Array<ArrayBuffer> {
  const objects: Buffer[] = [Buffer.from('<</Type/Catalog/Pages 2 0 R>>'), Buffer.alloc(0)]
  const add = (...pieces: (string | Uint8Array)[]) => objects.push(joined(pieces))
  const font = add('<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>')
  const kids = pages.map(({ lines = [], image, rotate = 0, content, deflated }) => {
    const shown = content ?? (image ? 'q 612 0 0 792 0 0 cm /Image1 Do Q' : words(lines))
    const contents = deflated
      ? add(`<</Length ${deflated.length}/Filter/FlateDecode>>stream\n`, deflated, '\nendstream')
      : add(`<</Length ${shown.length}>>stream\n${shown}\nendstream`)
    const object = image && add(imageHead(image), image.data, '\nendstream')
    const resources = `<</Font<</F1 ${font} 0 R>>${object ? `/XObject<</Image1 ${object} 0 R>>` : ''}>>`
    return add(
      `<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Rotate ${rotate}/Resources${resources}/Contents ${contents} 0 R>>`,
    )
  })
  objects[1] = Buffer.from(`<</Type/Pages/Count ${kids.length}/Kids[${kids.map((kid) => `${kid} 0 R`).join(' ')}]>>`)
  return written(objects, trailer)
}

function words(lines: readonly string[]): string {
  return `BT /F1 12 Tf 72 720 Td ${lines.map((line) => `(${line}) Tj 0 -16 Td`).join(' ')} ET`
}

function imageHead({ width, height, data, is }: PageImage): string {
  return `<</Type/XObject/Subtype/Image/Width ${width}/Height ${height}${is}/Length ${data.length}>>stream\n`
}

function written(objects: readonly Buffer[], trailer: string): Uint8Array<ArrayBuffer> {
  const pieces: Buffer[] = [Buffer.from('%PDF-1.4\n')]
  let at = pieces[0]?.length ?? 0
  const starts = objects.map((object, index) => {
    const piece = joined([`${index + 1} 0 obj\n`, object, '\nendobj\n'])
    pieces.push(piece)
    at += piece.length
    return at - piece.length
  })
  const rows = starts.map((start) => `${String(start).padStart(10, '0')} 00000 n \n`).join('')
  const size = objects.length + 1
  pieces.push(Buffer.from(`xref\n0 ${size}\n0000000000 65535 f \n${rows}`))
  pieces.push(Buffer.from(`trailer<</Size ${size}/Root 1 0 R${trailer}>>\nstartxref\n${at}\n%%EOF\n`))
  return new Uint8Array(joined(pieces))
}

function joined(pieces: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece)))
}
