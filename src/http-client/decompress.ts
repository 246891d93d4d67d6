import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { BodySink } from './body-buffer.ts'
import { bytesOf, rangeOf } from './byte-range.ts'

// Flushes after each write, so that output is delivered at once and nothing before a cut is lost.
const zlibFlush = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const brotliFlush = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH }

const decompressors: Record<string, () => ReturnType<typeof createGunzip>> = {
  gzip: () => createGunzip(zlibFlush),
  deflate: () => createInflate(zlibFlush),
  br: () => createBrotliDecompress(brotliFlush),
}

/** For `accept-encoding`. */
export const encodings = Object.keys(decompressors).join(', ')

/** Decompresses a body for `to`. `encoding` is its `content-encoding`; returns `undefined` if it is not compressed. */
export function decompressed(encoding: string | null, to: BodySink): BodySink | undefined {
  const decompressor = decompressors[encoding?.trim().toLowerCase() ?? '']?.()
  if (decompressor === undefined) return undefined
  let failure: { cause: unknown } | undefined
  let ended = false
  const finish = () => {
    if (!ended) decompressor.end()
    ended = true
  }
  decompressor.on('data', (bytes: Buffer) => to.push(rangeOf(bytes)))
  decompressor.once('end', () => (failure ? to.fail(failure.cause) : to.end()))
  decompressor.once('error', to.fail)
  return {
    push(piece) {
      if (!ended) decompressor.write(bytesOf(piece))
    },
    end: finish,
    fail(cause) {
      if (!ended) failure = { cause }
      finish()
    },
  }
}
