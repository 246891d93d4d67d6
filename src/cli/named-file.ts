import { printable, UsageError } from '../config/usage-error.ts'
import type { Io } from './io.ts'

/** The text of a file that a flag names. Errors: UsageError if it is not there or cannot be read. */
export function textOfNamed(path: string, flag: string, { readFile }: Pick<Io, 'readFile'>): string {
  const text = readOrThrow(path, readFile)
  if (text === undefined) throw new UsageError(`${printable(path)}, which ${flag} names, does not exist`)
  return text
}

function readOrThrow(path: string, readFile: Io['readFile']): string | undefined {
  try {
    return readFile(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`${printable(path)} cannot be read: ${reason}`, { cause })
  }
}
