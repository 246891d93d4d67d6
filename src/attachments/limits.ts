export interface AttachmentLimits {
  maxImageBytes: number
  /** Longest side in pixels. */
  maxImageSide: number
  /** Largest document that is fetched for the client. */
  maxDocumentBytes: number
  /** Longest text of one document. */
  maxDocumentCharacters: number
  maxDocumentPages: number
  /** The most pages without a text layer that are sent as images, for each document. */
  maxScannedPages: number
  /** Time to read one PDF. It is checked between pages and between chunks of a page. */
  pdfTimeMs: number
  /** Characters of prepared attachments that are kept for the next turns of their conversations. */
  rememberedCharacters: number
}

/**
 * Sources: `maxImageSide` is from the vendor's API reference, and `maxDocumentBytes` is the limit of Anthropic's API.
 * 400,000 characters are about half of the context window of a small model.
 */
export function limitsWith(maxImageBytes: number): AttachmentLimits {
  return {
    maxImageBytes,
    maxImageSide: 6_000,
    maxDocumentBytes: 32 * 1024 * 1024,
    maxDocumentCharacters: 400_000,
    maxDocumentPages: 500,
    maxScannedPages: 20,
    pdfTimeMs: 10_000,
    rememberedCharacters: 32 * 1024 * 1024,
  }
}
