import { version } from '../package.json' with { type: 'json' }
import { productSummary } from '../src/core/product-summary.ts'
import { executableName, type Platform } from './platforms.ts'

/**
 * The name of the package that starts the executable. Nothing is published under it, and whoever does so owns a scope
 * first and writes it here, `@acme/zai2api`: a name that nobody owns belongs to the first who takes it.
 */
export const packageName = 'zai2api'

/** What all packages say of themselves. */
const shared = {
  version,
  license: 'MIT',
  description: `The ${productSummary}, as one executable file`,
}

/** The package of a platform, as the launcher calls it, too. */
export function packageOf({ name }: Platform): string {
  return `${packageName}-${name}`
}

/** The `package.json` of a platform. */
export function platformManifest(platform: Platform) {
  const { os, cpu, libc } = platform
  return {
    ...{ name: packageOf(platform), ...shared, os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) },
    files: [executableName(platform), 'LICENSE', 'NOTICE'],
  }
}

/**
 * The `package.json` of the launcher. It names the platforms that are packed with it alone: npm would ask its registry
 * for the others, and run what it gets.
 */
export function launcherManifest(packed: readonly Platform[]) {
  return {
    ...{ name: packageName, ...shared, bin: { zai2api: 'bin.cjs' }, engines: { node: '>=18' } },
    files: ['bin.cjs', 'LICENSE', 'README.md'],
    optionalDependencies: Object.fromEntries(packed.map((platform) => [packageOf(platform), version])),
  }
}
