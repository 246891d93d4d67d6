import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { UsageError } from '../config/usage-error.ts'

/** A larger file is no configuration, but for example a device or a log. */
const maxBytes = 4 * 1024 * 1024

/**
 * The text of a configuration file; `undefined` if it does not exist. A pipe is read to its end, because the start may
 * be given one. Errors: those of the file system, and one for a file that is too large.
 */
export function readConfigFile(path: string): string | undefined {
  const file = opened(path)
  if (file === undefined) return undefined
  try {
    if (fstatSync(file).size > maxBytes) throw tooLarge()
    // Decoding drops the byte order mark that some editors put in front.
    return new TextDecoder().decode(readAll(file))
  } finally {
    closeSync(file)
  }
}

/**
 * Refuses files that are a pipe, a device or a socket. Reading one is synchronous and may never end, which would block
 * all requests of a running server. Errors: UsageError.
 */
export function refuseEndless(paths: readonly string[]): void {
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined || stat.isFile() || stat.isDirectory()) continue
    throw new UsageError(`${path} is no regular file, which only the start reads; restart zai2api to have it read`)
  }
}

function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw cause
  }
}

function readAll(file: number): Buffer {
  const chunks: Buffer[] = []
  for (let size = 0; ; ) {
    const chunk = Buffer.alloc(65_536)
    const length = readSync(file, chunk)
    if (length === 0) return Buffer.concat(chunks)
    size += length
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk.subarray(0, length))
  }
}

function tooLarge(): Error {
  return new Error(`it is larger than ${maxBytes} bytes`)
}
