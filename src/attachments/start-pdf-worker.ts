import { needDescriptorsForThread } from '../async/file-descriptors.ts'

/**
 * Starts the thread that reads one PDF. The thread gets no environment and so no keys, and does not keep the process
 * alive. Errors: those of `needDescriptorsForThread`.
 */
export function startPdfWorker(): Worker {
  needDescriptorsForThread()
  return new Worker(new URL('./pdf-worker.ts', import.meta.url).href, { env: {}, smol: true, ref: false })
}
