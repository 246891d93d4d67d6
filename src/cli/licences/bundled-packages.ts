import type { Licences } from '../../admin/schema/licences.ts'
import { collectPackages } from './collect-packages.ts' with { type: 'macro' }

/** What is inside the executable. 150 KB of text, so that only those who ask for it import it. */
export const packages: Licences['packages'] = collectPackages().map(({ name, version, licence, text }) => ({
  name,
  version,
  licence,
  text,
}))
