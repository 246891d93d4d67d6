import type { EmbeddedImage } from './image.ts'
import type { AttachmentLimits } from './limits.ts'

// What the gateway and the thread that reads a PDF say to each other.

export interface PdfOptions {
  vision: boolean
  limits: AttachmentLimits
}

/** What the thread is sent. */
export interface PdfJob {
  data: Uint8Array
  options: PdfOptions
}

export interface PdfPage {
  text: string
  /** Of a page without words, when the model sees. */
  images: EmbeddedImage[]
}

/** What is told of a PDF while it is read. */
export type PdfMessage =
  | { type: 'opened'; pageCount: number }
  /** From the first on, as far as the limits let it. */
  | { type: 'page'; page: PdfPage }
  /** `cut`: why there are fewer pages than the document has, or less of the last. */
  | { type: 'end'; cut: string | undefined }
  | { type: 'refused'; because: 'protected' | 'broken' }

/** Said of a PDF by whoever notices first. */
export function tookTooLong(pdfTimeMs: number): string {
  return `reading took longer than ${pdfTimeMs / 1000} s`
}
