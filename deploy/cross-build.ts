import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { $, Archive, file } from 'bun'
import { build, type ReleaseOrigin } from './build.ts'
import { signedPages, withoutSignature } from './macho-signature.ts'
import { executableName, type Platform } from './platforms.ts'

const CACHE = '.cache/runtimes'

/** Builds an executable for a platform and returns its bytes. The file is deleted, because each is a hundred megabytes. */
export async function executableFor(platform: Platform, release?: ReleaseOrigin): Promise<Uint8Array> {
  const folder = `${CACHE}/${platform.name}`
  const outfile = `${folder}/${executableName(platform)}`
  await mkdir(CACHE, { recursive: true })
  try {
    const cross = { target: platform.target, runtime: await runtimeFor(platform, folder) }
    await build({ outfile, cross, ...(release && { release }) })
    const bytes = await file(outfile).bytes()
    return platform.os === 'darwin' ? withFittingSignature(bytes, platform) : bytes
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Without the signature if it is not one of these bytes. Errors: Error where the system runs nothing unsigned. */
function withFittingSignature(bytes: Uint8Array, { name, cpu }: Platform): Uint8Array {
  const signed = signedPages(bytes)
  if (signed?.changed === 0) return bytes
  if (cpu === 'arm64') throw new Error(`${name} is not signed: ${signed?.changed ?? 'no'} pages of it are others`)
  return withoutSignature(bytes)
}

/**
 * Unpacks Bun's runtime for another platform and gives its path.
 *
 * It comes from the npm registry and not from Bun's own download, which knows no registry settings and so fails
 * behind a private one; it must be the very file that package-lock.json pins.
 */
async function runtimeFor({ runtime, os }: Platform, folder: string): Promise<string> {
  const { version: bunVersion, integrity } = await pinned(runtime)
  const tarball = `${CACHE}/${runtime.slice(1).replace('/', '-')}-${bunVersion}.tgz`
  if (!(await file(tarball).exists()))
    await $`npm pack --silent --ignore-scripts --pack-destination ${CACHE} ${runtime}@${bunVersion}`.quiet()

  const bytes = await file(tarball).bytes()
  const found = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  if (found !== integrity) {
    await rm(tarball)
    throw new Error(`${runtime}@${bunVersion} is not the file package-lock.json pins (${integrity}): got ${found}.`)
  }
  await new Archive(bytes).extract(folder)
  return `${folder}/package/bin/${os === 'win32' ? 'bun.exe' : 'bun'}`
}

async function pinned(runtime: string): Promise<{ version: string; integrity: string }> {
  const lock: { packages: Record<string, { version: string; integrity: string }> } =
    await file('package-lock.json').json()
  const entry = lock.packages[`node_modules/${runtime}`]
  if (entry === undefined) throw new Error(`package-lock.json does not pin ${runtime}.`)
  return entry
}
