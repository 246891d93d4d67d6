import type { BodyName, Captured, NamedBody } from '../observe/capture.ts'
import type { Timeline } from '../observe/timeline.ts'
import type { CapturedBodies, RequestDetail } from './schema/requests.ts'

/** What a request spent its time with, and why it went where it went. */
export type TimelineParts = Pick<RequestDetail, 'timeline' | 'attempts' | 'routing'>

/** What the time of a request went into. A step that is under way ends now. */
export function timelineParts(timeline: Timeline | undefined, elapsedMs: number): TimelineParts {
  const { steps = [], tries = [], routing = [] } = timeline ?? {}
  return {
    timeline: steps.map(({ kind, attempt, fromMs, toMs = elapsedMs, label, detail }) => ({
      ...{ kind, from_ms: tenths(fromMs), to_ms: tenths(toMs) },
      ...(attempt === undefined ? {} : { attempt }),
      ...(label === undefined ? {} : { label }),
      ...(detail === undefined ? {} : { detail }),
    })),
    attempts: tries.map(({ n, upstream, credential, status, error, reused, ...times }) => ({
      ...{ n, upstream, started_ms: tenths(times.startedMs) },
      ...(credential === undefined ? {} : { credential }),
      ...(status === undefined ? {} : { status }),
      ...(error === undefined ? {} : { error }),
      ...(times.headersMs === undefined ? {} : { headers_ms: tenths(times.headersMs) }),
      ...(times.firstMs === undefined ? {} : { first_ms: tenths(times.firstMs) }),
      ...(times.endedMs === undefined ? {} : { ended_ms: tenths(times.endedMs) }),
      ...(reused === undefined ? {} : { reused }),
    })),
    routing: routing.map((reason) => ({ ...reason })),
  }
}

/** The same as it was stored; rows of older versions have none of it. */
export function storedParts(detail: string | null): TimelineParts {
  return detail === null ? { timeline: [], attempts: [], routing: [] } : JSON.parse(detail)
}

/** How much was kept of each body; with several attempts, of that of the last one. */
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

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
