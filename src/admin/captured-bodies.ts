import type { BodyName, BodySize, Captured, NamedBody } from '../observe/capture.ts'
import type { CapturedBodies } from './schema/requests.ts'

/** How much of each body was captured. With several attempts, the last one counts. */
export function bodySizes(sizes: readonly BodySize[] | string): CapturedBodies {
  if (typeof sizes === 'string') return { not_captured: sizes }
  return Object.fromEntries(sizes.map(({ name, bytes, chunks, truncated }) => [name, { bytes, chunks, truncated }]))
}

/** One body of a request; without `attempt`, that of the last attempt. */
export function bodyNamed(captured: Captured, name: BodyName, attempt?: number): NamedBody | undefined {
  return captured.bodies.findLast(
    (one) => one.name === name && (attempt === undefined || one.attempt === undefined || one.attempt === attempt),
  )
}
