import { join } from 'node:path'
import { stateFolder } from '../config/folders.ts'
import type { ClientSetup, ClientTarget } from './clients/setup.ts'
import type { Io } from './io.ts'
import { writePrivateFile } from './private-file.ts'

/** Writes the file of a setup and adds its path to the target. Where that fails, the client does without it. */
export function withStateFile(target: ClientTarget, { stateFile }: ClientSetup, { env, stderr }: Io): ClientTarget {
  const folder = stateFolder(env)
  if (stateFile === undefined || folder === undefined) return target
  const file = join(folder, stateFile.name)
  try {
    writePrivateFile(file, stateFile.text(target))
    return { ...target, file }
  } catch (cause) {
    stderr(`zai2api: the client does without ${file}: ${cause instanceof Error ? cause.message : cause}\n`)
    return target
  }
}
