import type { BodyName, Captured, NamedBody } from '../observe/capture.ts'
import type { CapturedBodies } from './schema/requests.ts'

/** How much of each body was captured. With several attempts, the last one counts. */
export function bodySizes(captured: Captured | string): CapturedBodies {
  if (typeof captured === 'string') return { not_captured: captured }
  return Object.fromEntries(
    captured.bodies.map(({ name, bytes, chunks, truncated = false }) => [
      name,
      { bytes, chunks: chunks.length, truncated },
    ]),
  )
}

/** One body of a request; without `attempt`, that of the last attempt. */
export function bodyNamed(captured: Captured, name: BodyName, attempt?: number): NamedBody | undefined {
  return captured.bodies.findLast(
    (one) => one.name === name && (attempt === undefined || one.attempt === undefined || one.attempt === attempt),
  )
}
