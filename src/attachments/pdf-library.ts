import type { getDocumentProxy } from 'unpdf'
import type { Pixels } from './png.ts'

export type PdfDocument = Awaited<ReturnType<typeof getDocumentProxy>>
export type PdfPageHandle = Awaited<ReturnType<PdfDocument['getPage']>>

export interface PdfLibrary {
  /** Rejects with the library's own errors; one named `PasswordException` says that the file is protected. */
  open(data: Uint8Array): Promise<PdfDocument>
  /**
   * The images painted on a page, in order. Those in formats the library cannot decode are left out, and those that
   * are not there when `late` resolves.
   */
  pixelsOn(page: PdfPageHandle, late: Promise<undefined>): Promise<Pixels[]>
}

/** As the library decodes it; its own types leave it open. */
interface PdfImage {
  kind: unknown
  width: number
  height: number
  data: unknown
}

/** Nothing is compiled from the file, nothing is fetched, no fonts are looked for, no images like billboards. */
const options = {
  isEvalSupported: false,
  useSystemFonts: false,
  disableFontFace: true,
  useWorkerFetch: false,
  useWasm: false,
  isOffscreenCanvasSupported: false,
  isImageDecoderSupported: false,
  enableXfa: false,
  maxImageSize: 64_000_000,
  verbosity: 0,
}

/** PDF.js, which is large: loaded for the first PDF, not at the start. */
export async function loadPdfLibrary(): Promise<PdfLibrary> {
  const { getDocumentProxy, getResolvedPDFJS } = await import('unpdf')
  const { OPS, ImageKind } = await getResolvedPDFJS()
  const painters: readonly number[] = [OPS.paintImageXObject, OPS.paintInlineImageXObject, OPS.paintImageMaskXObject]
  const formats = new Map<unknown, Pixels['format']>([
    [ImageKind.GRAYSCALE_1BPP, 'bits'],
    [ImageKind.RGB_24BPP, 'rgb'],
    [ImageKind.RGBA_32BPP, 'rgba'],
  ])

  return {
    // The library takes the buffer away from its owner.
    open: (data) => getDocumentProxy(new Uint8Array(data), options),

    async pixelsOn(page, late) {
      const { fnArray, argsArray } = await page.getOperatorList()
      const found: Pixels[] = []
      for (const [index, operator] of fnArray.entries()) {
        if (!painters.includes(operator)) continue
        const [given]: (string | PdfImage)[] = argsArray[index]
        // A stencil is given with its size, and the name of its pixels in their place.
        const name = typeof given === 'string' ? given : given?.data
        const image = typeof name === 'string' ? await Promise.race([objectOf(page, name), late]) : given
        if (typeof image !== 'object' || image === null) continue
        const format = operator === OPS.paintImageMaskXObject ? 'bits' : formats.get(image.kind)
        const data = bytesOf(image.data)
        if (format && data) found.push({ width: image.width, height: image.height, format, data })
      }
      return found
    },
  }
}

/** JPEGs come clamped. */
function bytesOf(data: unknown): Uint8Array | undefined {
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data.buffer, data.byteOffset, data.length)
  return data instanceof Uint8Array ? data : undefined
}

/** Decoding goes on after the list is there. Objects that pages share are kept apart. */
function objectOf(page: PdfPageHandle, id: string) {
  return new Promise<PdfImage | null>((resolve) => (id.startsWith('g_') ? page.commonObjs : page.objs).get(id, resolve))
}
