import { needDescriptorsForThread } from '../../async/file-descriptors.ts'

/**
 * Starts the thread that validates against schemas. The thread gets no environment and so no keys, and does not keep the
 * process alive. Errors: those of `needDescriptorsForThread`.
 */
export function startSchemaWorker(): Worker {
  needDescriptorsForThread()
  return new Worker(new URL('./schema-worker.ts', import.meta.url).href, { env: {}, smol: true, ref: false })
}
