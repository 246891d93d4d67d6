import { type BatchStream, readBatch } from '../../src/core/batch-stream.ts'

/** What a stream has until it ends. */
export async function readAll<T>(source: BatchStream<T[]>): Promise<T[]> {
  const all: T[] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source)) all.push(...batch)
  return all
}
