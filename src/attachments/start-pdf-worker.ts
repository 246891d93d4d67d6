import { needDescriptorsForThread } from '../async/file-descriptors.ts'

/** Starts the thread that reads one PDF. It knows none of our keys, and a program that ends does not wait for it. Errors: as `needDescriptorsForThread`. */
export function startPdfWorker(): Worker {
  needDescriptorsForThread()
  return new Worker(new URL('./pdf-worker.ts', import.meta.url).href, { env: {}, smol: true, ref: false })
}
