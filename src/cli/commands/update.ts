import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { printable, UsageError } from '../../config/usage-error.ts'
import type { Io } from '../io.ts'
import { textOfNamed } from '../named-file.ts'
import { withoutPassword } from '../update/download.ts'
import { executableOf, isNewer, type Release, readRelease } from '../update/release.ts'
import { executableFile, replaceExecutable } from '../update/replace.ts'
import { thisMachine } from '../update/this-machine.ts'

/** Written into the executable by `make release`; a build without them has to be told by flags. */
declare const RELEASE_BASE: string | undefined
declare const RELEASE_KEY: string | undefined

export interface UpdateOptions {
  /** Only report whether there is a newer release. */
  check: boolean
  /** The folder with the release: an address, or a path. */
  from: string | undefined
  /** A file with the public key of minisign. */
  keyFile: string | undefined
}

/**
 * Replaces this executable by that of a newer release, if there is one. With `check`, resolves with 1 if there is one.
 * Errors: UsageError.
 */
export async function update(io: Io, options: UpdateOptions, machine = thisMachine()): Promise<number> {
  const path = replaceable(io)
  const { base, publicKey } = originOf(io, options)
  const file = options.check ? undefined : executableFile(path)
  const release = await readRelease(base, publicKey)
  const self = io.self ?? 'zai2api'
  if (!isNewer(release.version, io.version)) {
    const age = oldWords(release, machine.now())
    io.stdout(`zai2api ${io.version} is up to date; the release is ${release.version}.${age}\n`)
    return 0
  }
  if (file === undefined) {
    io.stdout(`zai2api ${release.version} is out; this is ${io.version}. ${self} update takes it.\n`)
    return 1
  }
  const capabilities = await machine.capabilitiesOf(file.path)
  await replaceExecutable(file, {
    version: release.version,
    bytes() {
      io.stderr(`Downloading zai2api ${release.version} from ${withoutPassword(base)} ...\n`)
      return executableOf(release, machine.platform, base)
    },
    versionOf: machine.versionOf,
  })
  const lost =
    capabilities === ''
      ? ''
      : ` The old one had capabilities, which the new one gets by: sudo setcap ${capabilities} ${file.path}`
  io.stdout(
    `${path} is zai2api ${release.version} now. A gateway that runs goes on as ${io.version} until it is restarted: ${self} service restart, if it is the service.${lost}\n`,
  )
  return 0
}

const yearMs = 365 * 24 * 3_600_000

/** An old list stays signed for ever, so that whoever controls the address can hold newer releases back. */
function oldWords({ date }: Release, now: number): string {
  if (date === undefined || now - Date.parse(date) < yearMs) return ''
  return ` It was made on ${date}: if you know of a newer one, the address may hold it back.`
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
  [/[\\/]node_modules[\\/]/, 'npm', 'npm install --offline of both packages of a newer release'],
  [/\/Cellar\//, 'Homebrew', 'brew upgrade zai2api'],
  [/\\scoop\\apps\\/i, 'Scoop', 'scoop update zai2api'],
  [/\\WinGet\\Packages\\/i, 'winget', 'winget upgrade --manifest with the manifests of a newer release'],
  [/^\/usr\/bin\//, 'the package manager', 'the package of a newer release'],
]

/** The path of this executable. Errors: UsageError where another program keeps it up to date. */
function replaceable({ executable }: Io): string {
  if (executable === undefined) throw new UsageError('this runs from source; git pull brings it up to date')
  const [, name, command] = installers.find(([path]) => path.test(executable)) ?? []
  if (name !== undefined) throw new UsageError(`${name} has installed this one; ${command} brings it up to date`)
  return executable
}
