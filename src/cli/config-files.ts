import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { UsageError } from '../config/usage-error.ts'

/** In bytes. Whatever is larger is no configuration: a link to a device, or a log. */
const largest = 4 * 1024 * 1024

/**
 * The text of a configuration file, `undefined` where there is none. A pipe is waited for, since the start may be given
 * one. Errors: those of the file system, and one for a file that is too large.
 */
export function readConfigFile(path: string): string | undefined {
  const file = opened(path)
  if (file === undefined) return undefined
  try {
    if (fstatSync(file).size > largest) throw tooLarge()
    // Decoding drops the byte order mark that some editors put in front.
    return new TextDecoder().decode(readAll(file))
  } finally {
    closeSync(file)
  }
}

/**
 * Errors: UsageError for a file that is a pipe, a device or a socket by now. Reading one can take for ever, and nobody
 * would be answered meanwhile: a running server must not begin to.
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
  const pieces: Buffer[] = []
  for (let size = 0; ; ) {
    const piece = Buffer.alloc(65_536)
    const length = readSync(file, piece)
    if (length === 0) return Buffer.concat(pieces)
    size += length
    if (size > largest) throw tooLarge()
    pieces.push(piece.subarray(0, length))
  }
}

function tooLarge(): Error {
  return new Error(`it is larger than ${largest} bytes`)
}
