import { createHash } from 'node:crypto'
import type { BundledPackage } from '../src/cli/licences/collect-packages.ts'

/** The file NOTICE: what is inside, and under which licences. */
export function notice(version: string, list: readonly BundledPackage[]): string {
  const parts = list.map(
    ({ name, version, licence, text }) => `${'='.repeat(80)}\n${name} ${version}: ${licence}\n\n${text}\n`,
  )
  return `zai2api ${version} is one executable file that contains these packages.\n\n${parts.join('\n')}`
}

/** A list of the same as CycloneDX 1.6. The same commit gives the same bytes. */
export function billOfMaterials(version: string, list: readonly BundledPackage[], madeAt: Date): string {
  const entries = list.map(({ name, version, licence, integrity }) => ({
    type: 'library',
    'bom-ref': purl(name, version),
    name,
    version,
    licenses: [/^[\w.+-]+$/.test(licence) ? { license: { id: licence } } : { expression: licence }],
    purl: purl(name, version),
    hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex') }],
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
