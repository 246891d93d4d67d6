import { createHash } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { $, file, Glob, write } from 'bun'
import { version } from '../package.json' with { type: 'json' }
import { completionShells } from '../src/cli/completions.ts'
import { collectPackages } from '../src/cli/licences/collect-packages.ts'
import { manPage } from '../src/cli/man-page.ts'
import { type Entry, pack } from './archive.ts'
import { billOfMaterials, notice } from './components.ts'
import { executableFor } from './cross-build.ts'
import { type DebFacts, debPackage } from './deb.ts'
import { installScript } from './install-script.ts'
import { manifests } from './manifests.ts'
import { executableName, type Platform, platforms, platformsNamed } from './platforms.ts'
import { releaseKey, signatureOf, trustedComment } from './sign.ts'

const OUT = 'dist/release'

/**
 * Builds the archives whose names are given, or all of them, and writes beside them what installs them: checksums, their
 * signature if RELEASE_KEY names a private key, install.sh and install.ps1 with the address of RELEASE_BASE, and the list
 * of parts. With RELEASE_PUBLIC_KEY instead of the private one, all is prepared for `sign-release.ts`, which signs it
 * elsewhere. The same commit gives the same bytes, signatures included.
 */
async function release(names: string[]): Promise<void> {
  const chosen = platformsNamed(names)
  const { RELEASE_KEY: keyFile, RELEASE_PUBLIC_KEY, RELEASE_BASE: base } = process.env
  const key = keyFile === undefined ? undefined : releaseKey(await file(keyFile).text())
  // A variable of a workflow that is not set is empty.
  const publicKey = key?.publicKey ?? (RELEASE_PUBLIC_KEY || undefined)
  await rm(OUT, { recursive: true, force: true })
  await mkdir(OUT, { recursive: true })
  const madeAt = await commitTime()
  const parts = collectPackages()
  const bill = billOfMaterials(version, parts, madeAt)
  const shared = [...(await documents()), ...generated(madeAt), ...texts({ NOTICE: notice(version, parts) })]
  const origin = { base, publicKey }
  for (const platform of chosen) {
    const executable = await executableFor(platform, origin)
    await put(...archiveOf(platform, executable, shared, madeAt))
    const architecture = debianNames[platform.name]
    if (architecture !== undefined)
      await put(`zai2api_${version}_${architecture}.deb`, debOf(executable, shared, { version, architecture, madeAt }))
  }
  if (base !== undefined && chosen === platforms) await writeManifests(base, madeAt)
  await write(`${OUT}/zai2api-${version}.cdx.json`, bill)
  for (const script of ['install.sh', 'install.ps1'])
    await write(`${OUT}/${script}`, installScript(await file(`deploy/${script}`).text(), origin))
  const sums = await checksums()
  await write(`${OUT}/SHA256SUMS`, sums)
  if (publicKey !== undefined)
    await write(`${OUT}/zai2api.pub`, `untrusted comment: releases of zai2api\n${publicKey}\n`)
  if (key)
    await write(`${OUT}/SHA256SUMS.minisig`, signatureOf(Buffer.from(sums), trustedComment(version, madeAt), key))
  else if (publicKey !== undefined) console.log(`Not signed yet: node deploy/sign-release.ts ${OUT} < key.pem does so.`)
  else
    console.log(
      'Not signed: RELEASE_KEY names no private key. The scripts compare checksums alone then, and zai2api update takes none.',
    )
}

/** The time of the commit. All entries get it, so that the same commit gives the same archives at any time and place. */
async function commitTime(): Promise<Date> {
  return new Date((await $`git log -1 --format=%cI`.text()).trim())
}

async function documents(): Promise<Entry[]> {
  const named = ['.env.example', 'LICENSE', 'README.md', 'README.zh-CN.md', 'CHANGELOG.md', 'deploy/zai2api.service']
  const names = [...named, ...new Glob('docs/**/*.{md,webp}').scanSync('.')]
  return Promise.all(names.map(async (name) => ({ name, bytes: await file(name).bytes(), executable: false })))
}

function generated(madeAt: Date): Entry[] {
  const names = { bash: 'zai2api.bash', zsh: '_zai2api', fish: 'zai2api.fish', powershell: 'zai2api.ps1' }
  const completions = Object.entries(completionShells).map(([shell, text]) => [
    `completions/${names[shell as keyof typeof names]}`,
    text(),
  ])
  return texts({
    'man/zai2api.1': manPage(version, madeAt.toISOString().slice(0, 10)),
    ...Object.fromEntries(completions),
  })
}

function texts(files: Record<string, string>): Entry[] {
  return Object.entries(files).map(([name, text]) => ({ name, bytes: Buffer.from(text), executable: false }))
}

function archiveOf(
  platform: Platform,
  bytes: Uint8Array,
  shared: readonly Entry[],
  madeAt: Date,
): [name: string, bytes: Uint8Array] {
  const folder = `zai2api-${version}-${platform.name}`
  const executable = { name: executableName(platform), bytes, executable: true }
  const entries = [executable, ...shared].map((entry) => ({ ...entry, name: `${folder}/${entry.name}` }))
  const format = platform.os === 'win32' ? 'zip' : 'tar.gz'
  return [`${folder}.${format}`, pack[format](entries.sort(byName), madeAt)]
}

/** Debian's names of the processors that get a package. */
const debianNames: Readonly<Record<string, string | undefined>> = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' }

/** Where the files of an archive belong on Debian; others are left out. */
const debianPaths: Readonly<Record<string, string | undefined>> = {
  LICENSE: 'usr/share/doc/zai2api/copyright',
  NOTICE: 'usr/share/doc/zai2api/NOTICE',
  'README.md': 'usr/share/doc/zai2api/README.md',
  'man/zai2api.1': 'usr/share/man/man1/zai2api.1',
  'completions/zai2api.bash': 'usr/share/bash-completion/completions/zai2api',
  'completions/_zai2api': 'usr/share/zsh/vendor-completions/_zai2api',
  'completions/zai2api.fish': 'usr/share/fish/vendor_completions.d/zai2api.fish',
}

function debOf(bytes: Uint8Array, shared: readonly Entry[], facts: DebFacts): Uint8Array {
  const placed = shared.flatMap((entry) => {
    const name = debianPaths[entry.name]
    return name === undefined ? [] : [{ ...entry, name }]
  })
  return debPackage([{ name: 'usr/bin/zai2api', bytes, executable: true }, ...placed].sort(byName), facts)
}

async function put(name: string, bytes: Uint8Array): Promise<void> {
  await write(`${OUT}/${name}`, bytes)
  console.log(`${name}  ${(bytes.length / 1e6).toFixed(1)} MB`)
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

async function writeManifests(base: string, madeAt: Date): Promise<void> {
  const facts = { version, base, sums: await sumsOfFiles(), date: madeAt.toISOString().slice(0, 10) }
  for (const [name, text] of Object.entries(manifests(facts))) await write(`${OUT}/${name}`, text)
}

async function checksums(): Promise<string> {
  return [...(await sumsOfFiles())].map(([name, sum]) => `${sum}  ${name}\n`).join('')
}

/** Name of each file of the release → its SHA-256. */
async function sumsOfFiles(): Promise<Map<string, string>> {
  const names = (await readdir(OUT)).sort()
  const sums = names.map(async (name) => {
    const bytes = await file(`${OUT}/${name}`).bytes()
    return [name, createHash('sha256').update(bytes).digest('hex')] as const
  })
  return new Map(await Promise.all(sums))
}

await release(process.argv.slice(2))
