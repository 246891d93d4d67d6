import { createHash } from 'node:crypto'
import { UsageError } from '../../config/usage-error.ts'
import { download, withoutPassword } from './download.ts'
import { signedComment } from './minisign.ts'
import { fileOfTarGz, fileOfZip } from './unpack.ts'

/** The contents of a release folder according to its signed list. */
export interface Release {
  /** `0.2.0` */
  version: string
  /** The day on which it was made, `2026-11-30`, if the signature names one. */
  date: string | undefined
  /** Name of an archive → its SHA-256 in hexadecimal digits. */
  sums: ReadonlyMap<string, string>
}

/** Ten times of what a release has, so that nobody on the way fills the memory before anything is checked. */
const maxListBytes = 65_536
const maxSignatureBytes = 4096
/** Four times an executable of today. */
const maxArchiveBytes = 300_000_000
const maxUnpackedBytes = 600_000_000

/** The name of the platform in the names of archives: `linux-x64-musl`. */
export function platformName(platform: string, arch: string, musl: boolean): string {
  const system = platform === 'win32' ? 'windows' : platform === 'darwin' ? 'macos' : platform
  return `${system}-${arch}${musl ? '-musl' : ''}`
}

/**
 * Reads the list of checksums of a release and its signature. Errors: UsageError if the address does not answer or the
 * signature is not one by the key.
 */
export async function readRelease(base: string, publicKey: string): Promise<Release> {
  const list = await download(`${base}/SHA256SUMS`, maxListBytes)
  const signature = await download(`${base}/SHA256SUMS.minisig`, maxSignatureBytes)
  const comment = signedComment(publicKey, list, new TextDecoder().decode(signature))
  if (comment === undefined)
    throw new UsageError(
      `the release at ${withoutPassword(base)} is not signed by the key of this program; nothing was changed`,
    )
  const [, version, date] = /^zai2api (\d{1,9}\.\d{1,9}\.\d{1,9})(?: (\d{4}-\d\d-\d\d))?$/.exec(comment) ?? []
  if (version === undefined)
    throw new UsageError(`the signature of the release at ${withoutPassword(base)} names no version`)
  return { version, date, sums: sumsIn(new TextDecoder().decode(list)) }
}

/** Takes the same lines as `install.sh`, and no others. */
function sumsIn(list: string): Map<string, string> {
  const lines = list.split('\n').flatMap((line) => {
    const [, sum, name] = /^([0-9a-f]{64}) {2}([\w.-]+)$/.exec(line) ?? []
    return sum === undefined || name === undefined ? [] : [[name, sum] as const]
  })
  return new Map(lines)
}

/** The executable of a release for a platform. Errors: UsageError if there is none, or if it is not the one of the list. */
export async function executableOf({ version, sums }: Release, platform: string, base: string): Promise<Uint8Array> {
  const folder = `zai2api-${version}-${platform}`
  const windows = platform.startsWith('windows')
  const archive = `${folder}.${windows ? 'zip' : 'tar.gz'}`
  const expected = sums.get(archive)
  if (expected === undefined) throw new UsageError(`release ${version} has no archive for ${platform}`)
  const bytes = await download(`${base}/${archive}`, maxArchiveBytes)
  if (createHash('sha256').update(bytes).digest('hex') !== expected)
    throw new UsageError(`${archive} is not the file of the signed list; nothing was changed`)
  const executable = await unpacked(bytes, windows, `${folder}/${windows ? 'zai2api.exe' : 'zai2api'}`).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : cause
      throw new UsageError(`${archive} cannot be unpacked, so nothing was changed: ${reason}`, { cause })
    },
  )
  if (executable === undefined) throw new UsageError(`${archive} has no executable`)
  return executable
}

async function unpacked(bytes: Uint8Array, windows: boolean, name: string): Promise<Uint8Array | undefined> {
  return windows ? fileOfZip(bytes, name, maxUnpackedBytes) : await fileOfTarGz(bytes, name, maxUnpackedBytes)
}

/** Whether a version is later than another: `0.10.0` than `0.9.1`. */
export function isNewer(version: string, than: string): boolean {
  return Bun.semver.order(version, than) > 0
}
