import { mkdir, rm } from 'node:fs/promises'
import { $, file, write } from 'bun'
import { version } from '../package.json' with { type: 'json' }
import { bundledPackages } from '../src/cli/licences/packages.ts'
import { notice } from './components.ts'
import { executableFor } from './cross-build.ts'
import { executableName, type Platform, platforms, platformsNamed } from './platforms.ts'

const OUT = 'dist/npm'

/** What all packages say of themselves. */
const shared = {
  version,
  license: 'MIT',
  description: "The OpenAI, Anthropic and Gemini APIs for Z.AI's GLM models, as one executable file",
}

/**
 * Packs what npm installs: `zai2api`, which starts the executable of its platform, and one package for each platform, of
 * which npm installs the one that fits. None of them runs a script when it is installed. Without names, all platforms.
 */
async function packages(names: string[]): Promise<void> {
  const chosen = platformsNamed(names)
  await rm(OUT, { recursive: true, force: true })
  const licences = notice(version, bundledPackages())
  for (const platform of chosen) await packed(packageOf(platform), await platformFiles(platform, licences))
  await packed('zai2api', await launcherFiles())
}

/** The name of a platform's package. Without a scope, so that whoever publishes needs no organisation. */
function packageOf({ name }: Platform): string {
  return `zai2api-${name}`
}

type Files = Record<string, string | Uint8Array>

async function platformFiles(platform: Platform, NOTICE: string): Promise<Files> {
  const { os, cpu, libc } = platform
  const executable = executableName(platform)
  const manifest = {
    ...{ name: packageOf(platform), ...shared, os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) },
    files: [executable, 'LICENSE', 'NOTICE'],
  }
  return {
    'package.json': json(manifest),
    LICENSE: await file('LICENSE').text(),
    NOTICE,
    [executable]: await executableFor(platform),
  }
}

async function launcherFiles(): Promise<Files> {
  const manifest = {
    ...{ name: 'zai2api', ...shared, bin: { zai2api: 'bin.cjs' }, engines: { node: '>=18' } },
    files: ['bin.cjs', 'LICENSE', 'README.md'],
    optionalDependencies: Object.fromEntries(platforms.map((platform) => [packageOf(platform), version])),
  }
  return {
    'package.json': json(manifest),
    'bin.cjs': await file('deploy/npm-launcher.cjs').text(),
    LICENSE: await file('LICENSE').text(),
    'README.md': await file('README.md').text(),
  }
}

async function packed(name: string, files: Files): Promise<void> {
  const folder = `${OUT}/${name}`
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
