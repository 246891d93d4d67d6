import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { BodySink } from './body-buffer.ts'
import { bytesOf, rangeOf } from './byte-range.ts'

// What is unpacked leaves at once, and what stands before a cut is not lost.
const zlibFlush = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const brotliFlush = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH }

const decompressors: Record<string, () => ReturnType<typeof createGunzip>> = {
  gzip: () => createGunzip(zlibFlush),
  deflate: () => createInflate(zlibFlush),
  br: () => createBrotliDecompress(brotliFlush),
}

/** For `accept-encoding`. */
export const encodings = Object.keys(decompressors).join(', ')

/** Takes a body packed as `encoding`, a `content-encoding`, for `to`; `undefined` for one that is not packed. */
export function decompressed(encoding: string | null, to: BodySink): BodySink | undefined {
  const unpacker = decompressors[encoding?.trim().toLowerCase() ?? '']?.()
  if (unpacker === undefined) return undefined
  let failure: { cause: unknown } | undefined
  let ended = false
  const finish = () => {
    if (!ended) unpacker.end()
    ended = true
  }
  unpacker.on('data', (bytes: Buffer) => to.push(rangeOf(bytes)))
  unpacker.once('end', () => (failure ? to.fail(failure.cause) : to.end()))
  unpacker.once('error', to.fail)
  return {
    push(piece) {
      if (!ended) unpacker.write(bytesOf(piece))
    },
    end: finish,
    fail(cause) {
      if (!ended) failure = { cause }
      finish()
    },
  }
}
