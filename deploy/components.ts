import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A package that is part of the executable. */
export interface Component {
  name: string
  version: string
  /** As the package names it: `MIT`. */
  licence: string
  /** The texts of its licence and notice files. */
  texts: string[]
  /** SHA-512 of the package's archive, in base64. */
  sha512: string
}

interface Locked {
  version?: string
  license?: string
  integrity?: string
  dev?: boolean
  devOptional?: boolean
  optional?: boolean
}

/** Every package in the executable, Bun's runtime included, by name. They must be installed. */
export function components(root = '.'): Component[] {
  const lock: { packages: Record<string, Locked> } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const installed = Object.entries(lock.packages).flatMap(
    ([path, { version, license, integrity = '', dev, devOptional, optional }]) => {
      if (path === '' || dev || devOptional || optional || version === undefined) return []
      const name = path.replace(/^.*node_modules\//, '')
      const licence = license ?? 'not named'
      return [{ name, version, licence, texts: textsIn(join(root, path)), sha512: integrity.replace(/^sha512-/, '') }]
    },
  )
  // A version can be installed at several places.
  const distinct = new Map(installed.map((each) => [`${each.name}@${each.version}`, each]))
  return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

function textsIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
  return names.sort().map((name) => readFileSync(join(folder, name), 'utf8').trim())
}

/** Of packages that name their licence and do not bring its text. */
const words: Record<string, string> = {
  bun: `Bun is under the MIT licence. It links JavaScriptCore and parts of WebKit (LGPL-2) and other libraries statically; the file
LICENSE.md of its source, at the tag of this version, names each of them, its licence, and how Bun is linked anew with a
changed WebKit. \`make build\` of this program then makes an executable with that Bun.`,
}

/** The file NOTICE: what is inside, and under which licences. */
export function notice(version: string, list: readonly Component[]): string {
  const parts = list.map(({ name, version, licence, texts }) => {
    const text = texts.length > 0 ? texts.join('\n\n') : (words[name] ?? `Its package names the licence ${licence}.`)
    return `${'='.repeat(80)}\n${name} ${version}: ${licence}\n\n${text}\n`
  })
  return `zai2api ${version} is one executable file that contains these packages.\n\n${parts.join('\n')}`
}

/** A list of the same as CycloneDX 1.6. The same commit gives the same bytes. */
export function billOfMaterials(version: string, list: readonly Component[], madeAt: Date): string {
  const entries = list.map(({ name, version, licence, sha512 }) => ({
    type: 'library',
    'bom-ref': purl(name, version),
    name,
    version,
    licenses: [/^[\w.+-]+$/.test(licence) ? { license: { id: licence } } : { expression: licence }],
    purl: purl(name, version),
    hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }],
  }))
  const id = createHash('sha256')
    .update(JSON.stringify([version, entries]))
    .digest('hex')
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${id.slice(0, 8)}-${id.slice(8, 12)}-4${id.slice(13, 16)}-8${id.slice(17, 20)}-${id.slice(20, 32)}`,
    version: 1,
    metadata: {
      timestamp: madeAt.toISOString(),
      component: {
        type: 'application',
        'bom-ref': 'zai2api',
        name: 'zai2api',
        version,
        licenses: [{ license: { id: 'MIT' } }],
      },
    },
    components: entries,
    dependencies: [{ ref: 'zai2api', dependsOn: entries.map(({ purl }) => purl) }],
  }
  return `${JSON.stringify(bill, undefined, 2)}\n`
}

function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}
