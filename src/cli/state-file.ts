import { join } from 'node:path'
import { stateFolder } from '../config/folders.ts'
import { UsageError } from '../config/usage-error.ts'
import type { ClientSetup, ClientTarget } from './clients/setup.ts'
import type { Io } from './io.ts'
import { writePrivateFile } from './write-private-file.ts'

/**
 * Writes the file that a client's setup asks for and adds its path to the target. If it cannot be written, the client
 * is started without it. Errors: UsageError if the client needs the file.
 */
export function withStateFile(target: ClientTarget, { label, stateFile }: ClientSetup, io: Io): ClientTarget {
  if (stateFile === undefined) return target
  const folder = stateFolder(io.env)
  if (folder === undefined) {
    if (stateFile.isNeeded) throw new UsageError(`${label} needs a file, and there is no HOME to write it below`)
    return target
  }
  const file = join(folder, stateFile.name)
  try {
    writePrivateFile(file, stateFile.text(target))
    return { ...target, file }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (stateFile.isNeeded) throw new UsageError(`${label} needs ${file}, which cannot be written: ${reason}`)
    io.stderr(`zai2api: the client does without ${file}: ${reason}\n`)
    return target
  }
}
