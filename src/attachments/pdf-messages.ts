import type { EmbeddedImage } from './convert-image.ts'
import type { AttachmentLimits } from './limits.ts'

// The messages between the gateway and the worker thread that reads a PDF.

export interface PdfOptions {
  vision: boolean
  limits: AttachmentLimits
}

/** The message to the thread. */
export interface PdfJob {
  data: Uint8Array
  options: PdfOptions
}

export interface PdfPage {
  text: string
  /** The images of a page without text, for a model with vision. */
  images: EmbeddedImage[]
}

/** The messages from the thread while it reads a PDF. */
export type PdfMessage =
  | { type: 'opened'; pageCount: number }
  /** One for each page in order, up to the limits. */
  | { type: 'page'; page: PdfPage }
  /** `cut` is the reason why pages, or the end of the last page, are missing. */
  | { type: 'end'; cut: string | undefined }
  | { type: 'refused'; because: 'protected' | 'broken' }

/** The reason for a timeout. Both the thread and the gateway watch the time. */
export function tookTooLong(pdfTimeMs: number): string {
  return `reading took longer than ${pdfTimeMs / 1000} s`
}
