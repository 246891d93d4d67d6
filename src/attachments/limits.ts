export interface AttachmentLimits {
  maxImageBytes: number
  /** Longest side in pixels. */
  maxImageSide: number
  /** Of a document that is fetched for the client. */
  maxDocumentBytes: number
  /** Of the text of one document. */
  maxDocumentCharacters: number
  maxDocumentPages: number
  /** Pages without a text layer that are shown as images, for each document. */
  maxScannedPages: number
  /** For one PDF; looked at between pages and between pieces of a page. */
  pdfTimeMs: number
  /** Of prepared attachments that are kept for the conversation's next turn. */
  rememberedCharacters: number
}

/**
 * Source of the image's side: the vendor's API reference. The document's bytes are what Anthropic's API takes.
 * 400,000 characters are about half of a small model's window.
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
