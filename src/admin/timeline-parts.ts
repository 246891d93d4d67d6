import type { TimedStep, Timeline, Try } from '../observe/timeline.ts'
import type { RequestDetail } from './schema/requests.ts'

/** How a request spent its time, and how it was routed. */
export type TimelineParts = Pick<RequestDetail, 'timeline' | 'attempts' | 'routing'>
type TimelineStep = TimelineParts['timeline'][number]
type Attempt = TimelineParts['attempts'][number]

/** What the time of a request went into. A step that is under way ends now. */
export function timelineParts(timeline: Timeline | undefined, elapsedMs: number): TimelineParts {
  const { steps = [], tries = [], routing = [] } = timeline ?? {}
  return {
    timeline: steps.map((step) => stepPart(step, elapsedMs)),
    attempts: tries.map(attemptPart),
    routing: routing.map(({ from, to, by }) => ({ from, to, by })),
  }
}

// Conditional spreads are avoided, because they take several times as long and every request comes through here.
function stepPart({ kind, attempt, fromMs, toMs, label, detail }: TimedStep, elapsedMs: number): TimelineStep {
  const part: TimelineStep = { kind, from_ms: tenths(fromMs), to_ms: tenths(toMs ?? elapsedMs) }
  if (attempt !== undefined) part.attempt = attempt
  if (label !== undefined) part.label = label
  if (detail !== undefined) part.detail = detail
  return part
}

function attemptPart(tried: Try): Attempt {
  const { n, upstream, credential, status, error, reused, startedMs, headersMs, firstMs, endedMs } = tried
  const part: Attempt = { n, upstream, started_ms: tenths(startedMs) }
  if (credential !== undefined) part.credential = credential
  if (status !== undefined) part.status = status
  if (error !== undefined) part.error = error
  if (headersMs !== undefined) part.headers_ms = tenths(headersMs)
  if (firstMs !== undefined) part.first_ms = tenths(firstMs)
  if (endedMs !== undefined) part.ended_ms = tenths(endedMs)
  if (reused !== undefined) part.reused = reused
  return part
}

/** The same of a stored request; rows of older versions lack it. */
export function storedParts(detail: string | null): TimelineParts {
  return detail === null ? { timeline: [], attempts: [], routing: [] } : JSON.parse(detail)
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
