import { chmodSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { UsageError } from '../../config/usage-error.ts'

/**
 * Puts another executable in the place of one that may be running. The old file is kept beside it until the new one has
 * said its version, and comes back if it does not. `versionOf` runs a file and gives what it prints.
 *
 * Errors: UsageError if the folder may not be written to, or the new executable does not run.
 */
export async function replaceExecutable(
  path: string,
  bytes: Uint8Array,
  version: string,
  versionOf: (path: string) => Promise<string>,
): Promise<void> {
  const target = realpathSync(path)
  const [fresh, old] = [`${target}.new`, `${target}.old`]
  try {
    writeFileSync(fresh, bytes)
    chmodSync(fresh, 0o755)
  } catch (cause) {
    rmSync(fresh, { force: true })
    throw new UsageError(`${target} cannot be replaced by you: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
  await mustSay(version, fresh, versionOf).catch((thrown: unknown) => {
    rmSync(fresh, { force: true })
    throw thrown
  })
  // Windows lets a running file be renamed, and not be overwritten.
  renameSync(target, old)
  renameSync(fresh, target)
  try {
    await mustSay(version, target, versionOf)
  } catch (thrown) {
    renameSync(old, target)
    throw thrown
  }
  try {
    rmSync(old, { force: true })
  } catch {
    // On Windows it is the file that runs; the next update replaces it.
  }
}

async function mustSay(version: string, path: string, versionOf: (path: string) => Promise<string>): Promise<void> {
  const said = await versionOf(path).catch((cause: unknown) => String(cause))
  if (said.trim() === `zai2api ${version}`) return
  throw new UsageError(`the new executable does not say that it is ${version}, so the old one stays: ${said.trim()}`)
}
