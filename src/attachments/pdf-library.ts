import type { getDocumentProxy } from 'unpdf'
import type { Pixels } from './png.ts'

export type PdfDocument = Awaited<ReturnType<typeof getDocumentProxy>>
export type PdfPageHandle = Awaited<ReturnType<PdfDocument['getPage']>>

export interface PdfLibrary {
  /** Rejects with the library's errors. The error for a protected file has the name `PasswordException`. */
  open(data: Uint8Array): Promise<PdfDocument>
  /**
   * The images painted on a page, in order. Images in formats that the library cannot decode are left out, and so are
   * images that are not decoded when `late` resolves.
   */
  pixelsOn(page: PdfPageHandle, late: Promise<undefined>): Promise<Pixels[]>
}

/** A decoded image of the library, whose types do not describe it. */
interface PdfImage {
  kind: unknown
  width: number
  height: number
  data: unknown
}

/** Safe options: no code from the file is compiled, nothing is fetched, no fonts are loaded, and huge images are skipped. */
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

/** Loads PDF.js. It is loaded when the first PDF is read, because it is large. */
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
    // A copy, because the library transfers the buffer.
    open: (data) => getDocumentProxy(new Uint8Array(data), options),

    async pixelsOn(page, late) {
      const { fnArray, argsArray } = await page.getOperatorList()
      const found: Pixels[] = []
      for (const [index, operator] of fnArray.entries()) {
        if (!painters.includes(operator)) continue
        const [given]: (string | PdfImage)[] = argsArray[index]
        // An image mask has its size here, and in `data` the name of the object with its pixels.
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

/** The bytes of an image. The library decodes JPEGs into a clamped array. */
function bytesOf(data: unknown): Uint8Array | undefined {
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data.buffer, data.byteOffset, data.length)
  return data instanceof Uint8Array ? data : undefined
}

/** Waits for a decoded object, because decoding continues after the operator list is complete. Ids of objects shared by pages begin with `g_`. */
function objectOf(page: PdfPageHandle, id: string) {
  return new Promise<PdfImage | null>((resolve) => (id.startsWith('g_') ? page.commonObjs : page.objs).get(id, resolve))
}
