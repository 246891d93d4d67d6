import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { stateFolder } from '../config/folders.ts'
import { UsageError } from '../config/usage-error.ts'

/**
 * Refuses to write as root what belongs to another user: links of theirs would be followed, and they could not read what
 * is made. `instead` is what else may be done. Errors: UsageError.
 */
export function refuseForeignFolders(paths: readonly string[], uid: number, instead = ''): void {
  const foreign = foreignFolder(paths, uid)
  if (foreign === undefined) return
  throw new UsageError(`${foreign} belongs to another user; do this as that user, without sudo${instead}`)
}

/** What a server says that keeps its data there all the same; `undefined` where the folder was named for it. */
export function foreignStateWarning(
  env: Record<string, string | undefined>,
  uid = process.getuid?.() ?? -1,
): string | undefined {
  const folder = env.STATE_DIRECTORY ? undefined : stateFolder(env)
  const foreign = folder && foreignFolder([folder], uid)
  return (
    foreign &&
    `${foreign} belongs to another user, who cannot read what root keeps there: start zai2api as that user, without sudo, or name another folder in STATE_DIRECTORY`
  )
}

/** The first folder above these paths, or the folder itself, that another user owns, who can exchange what is in it. */
function foreignFolder(paths: readonly string[], uid: number): string | undefined {
  // Other users than root cannot write there anyway.
  if (uid !== 0) return undefined
  return paths.flatMap(pathAndAbove).find((path) => {
    const owner = statSync(path, { throwIfNoEntry: false })?.uid
    return owner !== undefined && owner !== uid
  })
}

function pathAndAbove(path: string): string[] {
  const above = dirname(path)
  return above === path ? [path] : [path, ...pathAndAbove(above)]
}
