import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { printable, UsageError } from '../../config/usage-error.ts'
import type { Io } from '../io.ts'
import { textOfNamed } from '../named-file.ts'
import { type Download, executableOf, isNewer, platformName, readRelease } from '../update/release.ts'
import { replaceExecutable } from '../update/replace.ts'

/** Written into the executable by `make release`; a build without them has to be told by flags. */
declare const RELEASE_BASE: string | undefined
declare const RELEASE_KEY: string | undefined

export interface UpdateOptions {
  /** Only say whether there is a newer release. */
  check: boolean
  /** The folder with the release: an address, or a path. */
  from: string | undefined
  /** A file with the public key of minisign. */
  keyFile: string | undefined
}

export interface Updating {
  download: Download
  /** The name of this machine in the names of archives. */
  platform: string
  versionOf(path: string): Promise<string>
}

/**
 * Replaces this executable by that of a newer release, if there is one. With `check`, resolves with 1 if there is one.
 * Errors: UsageError.
 */
export async function update(io: Io, options: UpdateOptions, updating = thisMachine()): Promise<number> {
  const path = replaceable(io)
  const { base, publicKey } = originOf(io, options)
  const release = await readRelease(base, publicKey, updating.download)
  if (!isNewer(release.version, io.version)) {
    io.stdout(`zai2api ${io.version} is up to date; the release is ${release.version}.\n`)
    return 0
  }
  if (options.check) {
    io.stdout(`zai2api ${release.version} is out; this is ${io.version}. ${io.self ?? 'zai2api'} update takes it.\n`)
    return 1
  }
  const bytes = await executableOf(release, updating.platform, base, updating.download)
  await replaceExecutable(path, bytes, release.version, updating.versionOf)
  io.stdout(
    `${path} is zai2api ${release.version} now. A gateway that runs goes on as ${io.version} until it is restarted: ${io.self ?? 'zai2api'} service restart, if it is the service.\n`,
  )
  return 0
}

/** Errors: UsageError where the address or the key is not known. */
function originOf(io: Io, { from, keyFile }: UpdateOptions): { base: string; publicKey: string } {
  const base = from ?? io.env.ZAI2API_RELEASES ?? (typeof RELEASE_BASE === 'undefined' ? undefined : RELEASE_BASE)
  if (base === undefined)
    throw new UsageError('this build does not say where its releases are; name an address or a folder with --from')
  const publicKey = keyFile === undefined ? builtInKey() : keyIn(keyFile, io)
  return { base: addressOf(base, io).replace(/\/+$/, ''), publicKey }
}

/** A folder of this machine as an address, too. Errors: UsageError for an address of another kind. */
function addressOf(base: string, { cwd }: Io): string {
  if (/^(?:https?|file):\/\//.test(base)) return base
  if (!/^\w+:\/\//.test(base)) return String(pathToFileURL(resolve(cwd, base)))
  throw new UsageError(`${printable(base)} is no address of releases: an https:// address or a folder is expected`)
}

/** The last line of the file is the key. */
function keyIn(path: string, io: Io): string {
  return textOfNamed(path, '--release-key', io).trim().split('\n').at(-1) ?? ''
}

function builtInKey(): string {
  if (typeof RELEASE_KEY !== 'undefined') return RELEASE_KEY
  throw new UsageError(
    'this build holds no key to check signatures with; name the file with the public key, zai2api.pub beside the release, with --release-key',
  )
}

/** Programs that keep what they have installed up to date, by the paths where they put it. */
const installers: readonly [path: RegExp, name: string, command: string][] = [
  [/[\\/]_npx[\\/]/, 'npx', 'npx zai2api@latest'],
  [/[\\/]node_modules[\\/]/, 'npm', 'npm install -g zai2api@latest'],
  [/\/Cellar\//, 'Homebrew', 'brew upgrade zai2api'],
  [/\\scoop\\apps\\/i, 'Scoop', 'scoop update zai2api'],
  [/\\WinGet\\Packages\\/i, 'winget', 'winget upgrade zai2api.zai2api'],
  [/^\/usr\/bin\//, 'the package manager', 'the package of a newer release'],
]

/** The path of this executable. Errors: UsageError where another program keeps it up to date. */
function replaceable({ executable }: Io): string {
  if (executable === undefined) throw new UsageError('this runs from source; git pull brings it up to date')
  const [, name, command] = installers.find(([path]) => path.test(executable)) ?? []
  if (name !== undefined) throw new UsageError(`${name} has installed this one; ${command} brings it up to date`)
  return executable
}

const downloadTimeoutMs = 600_000

function thisMachine(): Updating {
  const musl = ['x86_64', 'aarch64'].some((arch) => existsSync(`/lib/ld-musl-${arch}.so.1`))
  return {
    download: (url) => fetch(url, { signal: AbortSignal.timeout(downloadTimeoutMs) }),
    platform: platformName(process.platform, process.arch, musl),
    async versionOf(path) {
      const child = Bun.spawn([path, 'version'], { stdout: 'pipe', stderr: 'ignore', stdin: 'ignore' })
      return new Response(child.stdout).text()
    },
  }
}
