import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { $, Archive, file, write } from 'bun'
import { version } from '../package.json' with { type: 'json' }
import { type Entry, pack } from './archive.ts'
import { build } from './build.ts'

/** The archives of a release: the archive's name, Bun's name for the platform, and npm's name for Bun's runtime. */
const platforms = [
  { name: 'linux-x64', target: 'bun-linux-x64', runtime: '@oven/bun-linux-x64' },
  { name: 'linux-arm64', target: 'bun-linux-arm64', runtime: '@oven/bun-linux-aarch64' },
  { name: 'linux-x64-musl', target: 'bun-linux-x64-musl', runtime: '@oven/bun-linux-x64-musl' },
  { name: 'linux-arm64-musl', target: 'bun-linux-arm64-musl', runtime: '@oven/bun-linux-aarch64-musl' },
  { name: 'macos-x64', target: 'bun-darwin-x64', runtime: '@oven/bun-darwin-x64' },
  { name: 'macos-arm64', target: 'bun-darwin-arm64', runtime: '@oven/bun-darwin-aarch64' },
  { name: 'windows-x64', target: 'bun-windows-x64', runtime: '@oven/bun-windows-x64' },
] as const
type Platform = (typeof platforms)[number]

const documents = ['.env.example', 'LICENSE', 'README.md', 'deploy/zai2api.service']

const CACHE = '.cache/runtimes'
const OUT = 'dist/release'

await release(process.argv.slice(2))

/** Builds the archives whose names are given, or all of them, and writes their checksums beside them. */
async function release(names: string[]): Promise<void> {
  const chosen = names.length === 0 ? platforms : platforms.filter(({ name }) => names.includes(name))
  const unknown = names.filter((name) => !platforms.some((platform) => platform.name === name))
  if (unknown.length > 0) throw new Error(`No platform ${unknown.join(', ')}; there are ${nameList()}.`)

  await rm(OUT, { recursive: true, force: true })
  await mkdir(CACHE, { recursive: true })
  await mkdir(OUT, { recursive: true })
  const modifiedAt = await commitTime()
  const sums: string[] = []
  for (const platform of chosen) {
    const { archive, bytes } = await archiveFor(platform, modifiedAt)
    await write(`${OUT}/${archive}`, bytes)
    sums.push(`${createHash('sha256').update(bytes).digest('hex')}  ${archive}`)
    console.log(`${archive}  ${(bytes.length / 1e6).toFixed(1)} MB`)
  }
  await write(`${OUT}/SHA256SUMS`, `${sums.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('\n')}\n`)
}

function nameList(): string {
  return platforms.map(({ name }) => name).join(', ')
}

/** The time of the commit. All entries get it, so that the same commit gives the same archives at any time and place. */
async function commitTime(): Promise<Date> {
  return new Date((await $`git log -1 --format=%cI`.text()).trim())
}

async function archiveFor(platform: Platform, modifiedAt: Date): Promise<{ archive: string; bytes: Uint8Array }> {
  const windows = platform.name.startsWith('windows')
  const folder = `zai2api-${version}-${platform.name}`
  const executable = windows ? 'zai2api.exe' : 'zai2api'
  const entries: Entry[] = [
    { name: `${folder}/${executable}`, bytes: await executableFor(platform, executable), executable: true },
    ...(await Promise.all(
      documents.map(async (name) => ({
        name: `${folder}/${name}`,
        bytes: await file(name).bytes(),
        executable: false,
      })),
    )),
  ]
  const format = windows ? 'zip' : 'tar.gz'
  return {
    archive: `${folder}.${format}`,
    bytes: pack[format](
      entries.sort((a, b) => (a.name < b.name ? -1 : 1)),
      modifiedAt,
    ),
  }
}

/** Builds an executable and returns its bytes. The file is deleted, because each is a hundred megabytes. */
async function executableFor(platform: Platform, name: string): Promise<Uint8Array> {
  const folder = `${CACHE}/${platform.name}`
  const outfile = `${folder}/${name}`
  try {
    await build({ outfile, cross: { target: platform.target, runtime: await runtimeFor(platform, folder) } })
    return await file(outfile).bytes()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Unpacks Bun's runtime for another platform and gives its path.
 *
 * It comes from the npm registry and not from Bun's own download, which knows no registry settings and so fails
 * behind a private one; it must be the very file that package-lock.json pins.
 */
async function runtimeFor({ name, runtime }: Platform, folder: string): Promise<string> {
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
  return `${folder}/package/bin/${name.startsWith('windows') ? 'bun.exe' : 'bun'}`
}

async function pinned(runtime: string): Promise<{ version: string; integrity: string }> {
  const lock: { packages: Record<string, { version: string; integrity: string }> } =
    await file('package-lock.json').json()
  const entry = lock.packages[`node_modules/${runtime}`]
  if (entry === undefined) throw new Error(`package-lock.json does not pin ${runtime}.`)
  return entry
}
