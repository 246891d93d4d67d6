import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface BundledPackage {
  name: string
  version: string
  /** As the package names it: `MIT`. */
  licence: string
}

interface Lock {
  packages: Record<string, { version?: string; license?: string; dev?: boolean; devOptional?: boolean }>
}

/** The packages in the executable, from the lock file. Runs as a macro: the executable holds the list, not the file. */
export function bundledPackages(): BundledPackage[] {
  const lock: Lock = JSON.parse(readFileSync(join(import.meta.dir, '../../package-lock.json'), 'utf8'))
  return Object.entries(lock.packages).flatMap(([path, { version, license, dev, devOptional }]) => {
    const name = path.replace(/^.*node_modules\//, '')
    if (path === '' || dev || devOptional || version === undefined) return []
    return [{ name, version, licence: license ?? 'not named' }]
  })
}
