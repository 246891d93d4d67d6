import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A package that is part of the executable. */
export interface BundledPackage {
  name: string
  version: string
  /** The licence as the package names it: `MIT`. */
  licence: string
  /** The texts of its licence and notice files, or words in their place. */
  text: string
  /** The hash of the package's archive: `sha512-` and base64. */
  integrity: string
}

interface Lock {
  packages: Record<
    string,
    {
      version?: string
      license?: string
      integrity?: string
      dev?: boolean
      devOptional?: boolean
      optional?: boolean
    }
  >
}

/**
 * The packages in the executable, Bun's runtime included, by name. The texts of their licences have to go with every copy.
 * Runs as a macro: the executable holds what it returns, and not the files.
 */
export function collectPackages(): BundledPackage[] {
  const root = join(import.meta.dir, '../../..')
  const lock: Lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const installed = Object.entries(lock.packages).flatMap(
    ([path, { version, license: licence = 'not named', integrity = '', dev, devOptional, optional }]) => {
      // The optional ones are Bun's runtime for other systems.
      if (path === '' || dev || devOptional || optional || version === undefined) return []
      const name = path.replace(/^.*node_modules\//, '')
      return [{ name, version, licence, text: licenceText(join(root, path), name, licence), integrity }]
    },
  )
  // A version can be installed at several places.
  const distinct = new Map(installed.map((each) => [`${each.name}@${each.version}`, each]))
  return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

/** Of packages that name their licence and do not bring its text. */
const words: Record<string, string> = {
  bun: `Bun is under the MIT licence. It links JavaScriptCore and parts of WebKit (LGPL-2) and other libraries statically; the file
LICENSE.md of its source, at the tag of this version, names each of them, its licence, and how Bun is linked anew with a
changed WebKit. \`make build\` of this program then makes an executable with that Bun.`,
}

function licenceText(folder: string, name: string, licence: string): string {
  const names = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
  const texts = names.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return texts.length > 0 ? texts.join('\n\n') : (words[name] ?? `Its package names the licence ${licence}.`)
}
