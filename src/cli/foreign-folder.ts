import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { UsageError } from '../config/usage-error.ts'

/**
 * Refuses to write as root what belongs to another user: links of theirs would be followed, and they could not read what
 * is made. `instead` is what else may be done. Errors: UsageError.
 */
export function refuseForeignFolders(paths: readonly string[], uid: number, instead = ''): void {
  if (uid !== 0) return
  for (const path of paths) {
    const folder = nearestFolder(path)
    if (folder !== undefined && folder.uid !== uid)
      throw new UsageError(`${folder.path} belongs to another user; do this as that user, without sudo${instead}`)
  }
}

/** The folder itself, or the first one above it that is there. */
function nearestFolder(path: string): { path: string; uid: number } | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat !== undefined) return { path, uid: stat.uid }
  const above = dirname(path)
  return above === path ? undefined : nearestFolder(above)
}
