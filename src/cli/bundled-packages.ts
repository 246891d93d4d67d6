import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface BundledPackage {
  name: string
  version: string
  /** The licence as the package names it: `MIT`. */
  licence: string
}

interface Lock {
  packages: Record<
    string,
    { version?: string; license?: string; dev?: boolean; devOptional?: boolean; optional?: boolean }
  >
}

/** The packages in the executable, from the lock file. Runs as a macro: the executable holds the list, not the file. */
export function bundledPackages(): BundledPackage[] {
  const lock: Lock = JSON.parse(readFileSync(join(import.meta.dir, '../../package-lock.json'), 'utf8'))
  const installed = Object.entries(lock.packages).flatMap(
    ([path, { version, license, dev, devOptional, optional }]) => {
      const name = path.replace(/^.*node_modules\//, '')
      // The optional ones are Bun's runtime for other systems.
      if (path === '' || dev || devOptional || optional || version === undefined) return []
      return [{ name, version, licence: license ?? 'not named' }]
    },
  )
  // A version can be installed at several places.
  return [...new Map(installed.map((each) => [`${each.name}@${each.version}`, each])).values()]
}
