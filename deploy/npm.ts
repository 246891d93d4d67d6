import { mkdir, rm } from 'node:fs/promises'
import { $, file, write } from 'bun'
import { version } from '../package.json' with { type: 'json' }
import { collectPackages } from '../src/cli/licences/collect-packages.ts'
import { notice } from './components.ts'
import { executableFor } from './cross-build.ts'
import { launcherManifest, platformManifest } from './npm-packages.ts'
import { executableName, type Platform, platformsNamed } from './platforms.ts'

const OUT = 'dist/npm'

/**
 * Packs what npm installs: the package that starts the executable of its platform, and one package for each platform, of
 * which npm installs the one that fits. None of them runs a script when it is installed. Without names, all platforms.
 */
async function packages(names: string[]): Promise<void> {
  const chosen = platformsNamed(names)
  await rm(OUT, { recursive: true, force: true })
  const licences = notice(version, collectPackages())
  for (const platform of chosen) await packed(await platformFiles(platform, licences))
  await packed(await launcherFiles(chosen))
}

type Files = Record<string, string | Uint8Array>

async function platformFiles(platform: Platform, NOTICE: string): Promise<Files> {
  return {
    'package.json': json(platformManifest(platform)),
    LICENSE: await file('LICENSE').text(),
    NOTICE,
    [executableName(platform)]: await executableFor(platform),
  }
}

async function launcherFiles(chosen: readonly Platform[]): Promise<Files> {
  return {
    'package.json': json(launcherManifest(chosen)),
    'bin.cjs': await file('deploy/npm-launcher.cjs').text(),
    LICENSE: await file('LICENSE').text(),
    'README.md': await file('README.md').text(),
  }
}

async function packed(files: Files): Promise<void> {
  const folder = `${OUT}/package`
  await mkdir(folder, { recursive: true })
  for (const [path, content] of Object.entries(files)) await write(`${folder}/${path}`, content)
  await $`chmod 755 ${Object.keys(files).flatMap((path) => (/^(bin\.cjs|zai2api(\.exe)?)$/.test(path) ? [`${folder}/${path}`] : []))}`
  const archive = (await $`npm pack --silent --ignore-scripts --pack-destination ${OUT} ./${folder}`.text()).trim()
  await rm(folder, { recursive: true })
  console.log(`${archive}  ${(file(`${OUT}/${archive}`).size / 1e6).toFixed(1)} MB`)
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

await packages(process.argv.slice(2))
