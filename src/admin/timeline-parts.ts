import type { TimedStep, Timeline, Try } from '../observe/timeline.ts'
import { rounded, withoutUnknown } from './request-row.ts'
import type { Attempt, RequestDetail, Step } from './schema/requests.ts'

/** How a request spent its time, and how it was routed. */
export type TimelineParts = Pick<RequestDetail, 'timeline' | 'attempts' | 'routing'>

/** What the time of a request went into. A step that is under way ends now. */
export function timelineParts(timeline: Timeline | undefined, elapsedMs: number): TimelineParts {
  const { steps = [], tries = [], routing = [] } = timeline ?? {}
  return {
    timeline: steps.map((step) => stepPart(step, elapsedMs)),
    attempts: tries.map(attemptPart),
    routing: routing.map(({ from, to, by }) => ({ from, to, by })),
  }
}

function stepPart({ kind, attempt, fromMs, toMs, label, detail }: TimedStep, elapsedMs: number): Step {
  return withoutUnknown({ kind, attempt, from_ms: rounded(fromMs), to_ms: rounded(toMs ?? elapsedMs), label, detail })
}

function attemptPart(tried: Try): Attempt {
  const { n, upstream, credential, status, error, reused, startedMs, headersMs, firstMs, endedMs } = tried
  return withoutUnknown({
    ...{ n, upstream, credential, status, error, started_ms: rounded(startedMs) },
    ...{ headers_ms: rounded(headersMs), first_ms: rounded(firstMs), ended_ms: rounded(endedMs), reused },
  })
}
