import { needDescriptorsForThread } from '../../async/file-descriptors.ts'

/** Starts the thread that judges by schemas. It knows none of our keys, and a program that ends does not wait for it. Errors: as `needDescriptorsForThread`. */
export function startSchemaWorker(): Worker {
  needDescriptorsForThread()
  return new Worker(new URL('./schema-worker.ts', import.meta.url).href, { env: {}, smol: true, ref: false })
}
