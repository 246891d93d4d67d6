import { createHash } from 'node:crypto'
import { Archive } from 'bun'
import { UsageError } from '../../config/usage-error.ts'
import { isSignedBy } from './minisign.ts'
import { unzip } from './zip.ts'

/** What a folder of a release holds, as its signed list says. */
export interface Release {
  /** `0.2.0` */
  version: string
  /** Name of an archive → its SHA-256 in hexadecimal digits. */
  sums: ReadonlyMap<string, string>
}

export type Download = (url: string) => Promise<Response>

/** The name of the platform in the names of archives: `linux-x64-musl`. */
export function platformName(platform: string, arch: string, musl: boolean): string {
  const system = platform === 'win32' ? 'windows' : platform === 'darwin' ? 'macos' : platform
  return `${system}-${arch}${musl ? '-musl' : ''}`
}

/**
 * Reads the list of checksums of a release and its signature. Errors: UsageError if the address does not answer or the
 * signature is not one by the key.
 */
export async function readRelease(base: string, publicKey: string, download: Download): Promise<Release> {
  const list = await bytesOf(`${base}/SHA256SUMS`, download)
  const signature = await bytesOf(`${base}/SHA256SUMS.minisig`, download)
  if (!isSignedBy(publicKey, list, new TextDecoder().decode(signature)))
    throw new UsageError(`the release at ${base} is not signed by the key of this program; nothing was changed`)
  const lines = new TextDecoder().decode(list).matchAll(/^([0-9a-f]{64}) [ *](\S+)$/gm)
  const sums = new Map([...lines].map(([, sum = '', name = '']) => [name, sum]))
  const [version] = [...sums.keys()].flatMap((name) => /^zai2api-(\d+\.\d+\.\d+)-/.exec(name)?.[1] ?? [])
  if (version === undefined) throw new UsageError(`the list of the release at ${base} names no archive`)
  return { version, sums }
}

/** The executable of a release for a platform. Errors: UsageError if there is none, or if it is not the one of the list. */
export async function executableOf(
  { version, sums }: Release,
  platform: string,
  base: string,
  download: Download,
): Promise<Uint8Array> {
  const folder = `zai2api-${version}-${platform}`
  const windows = platform.startsWith('windows')
  const archive = `${folder}.${windows ? 'zip' : 'tar.gz'}`
  const expected = sums.get(archive)
  if (expected === undefined) throw new UsageError(`release ${version} has no archive for ${platform}`)
  const bytes = await bytesOf(`${base}/${archive}`, download)
  if (createHash('sha256').update(bytes).digest('hex') !== expected)
    throw new UsageError(`${archive} is not the file of the signed list; nothing was changed`)
  const inside = `${folder}/${windows ? 'zai2api.exe' : 'zai2api'}`
  const executable = windows ? unzip(bytes).get(inside) : await (await new Archive(bytes).files()).get(inside)?.bytes()
  if (executable === undefined) throw new UsageError(`${archive} has no executable`)
  return executable
}

async function bytesOf(url: string, download: Download): Promise<Uint8Array> {
  try {
    const response = await download(url)
    if (!response.ok) throw new UsageError(`${url} answers ${response.status}`)
    // That a file is missing shows only where it is read.
    return await response.bytes()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    const problem = url.startsWith('file:') ? 'cannot be read' : 'cannot be reached'
    throw new UsageError(`${url} ${problem}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/** Whether a version is later than another: `0.10.0` than `0.9.1`. */
export function isNewer(version: string, than: string): boolean {
  return Bun.semver.order(version, than) > 0
}
