import { type FindSecrets, redactText } from '../observe/redaction.ts'
import type { TimedStep, Timeline, Try } from '../observe/timeline.ts'
import type { Attempt, Step } from './schema/requests.ts'
import type { TimelineParts } from './timeline-parts.ts'

// The steps, attempts and reasons of a request take most of its row. So they are stored as lists of values instead of
// objects, with times in whole tenths of a millisecond, which takes half the room and a third of the time.

type StoredTimeline = [steps: StoredStep[], attempts: StoredAttempt[], routing: StoredReason[]]

/** What comes last is left out if it is absent, and is 0 if something follows. */
type StoredStep = [kind: Step['kind'], from: number, to: number, attempt?: number, label?: string | 0, detail?: string]

/** A status or credential of 0 is absent. The last two are of an error, if there was one. */
type StoredAttempt = [
  n: number,
  upstream: string,
  credential: string | 0,
  status: number,
  started: number,
  headers: number | null,
  first: number | null,
  ended: number | null,
  reused: boolean | null,
  code?: string,
  message?: string,
]

type StoredReason = [from: string, to: string, by: string]

/** The timeline without secrets, as a row keeps it. A step that is under way ends now. */
export function storedTimeline(timeline: Timeline, elapsedMs: number, findSecrets: FindSecrets): string {
  const clean = (text: string) => redactText(text, findSecrets)
  return JSON.stringify([
    timeline.steps.map((step) => storedStep(step, elapsedMs, clean)),
    timeline.tries.map((tried) => storedAttempt(tried, clean)),
    timeline.routing.map(({ from, to, by }) => [clean(from), clean(to), clean(by)]),
  ] satisfies StoredTimeline)
}

function storedStep(step: TimedStep, elapsedMs: number, clean: (text: string) => string): StoredStep {
  const { kind, attempt, label, detail } = step
  const [from, to] = [tenths(step.fromMs), tenths(step.toMs ?? elapsedMs)]
  if (detail !== undefined) {
    // Each count is another text, and searching it takes longer than all else here.
    const shown = kind === 'count' ? detail : clean(detail)
    return [kind, from, to, attempt ?? 0, label === undefined ? 0 : clean(label), shown]
  }
  if (label !== undefined) return [kind, from, to, attempt ?? 0, clean(label)]
  return attempt === undefined ? [kind, from, to] : [kind, from, to, attempt]
}

function storedAttempt(tried: Try, clean: (text: string) => string): StoredAttempt {
  const { n, upstream, credential, status, error, startedMs, headersMs, firstMs, endedMs, reused } = tried
  const stored: StoredAttempt = [
    n,
    clean(upstream),
    credential === undefined ? 0 : clean(credential),
    status ?? 0,
    tenths(startedMs),
    headersMs === undefined ? null : tenths(headersMs),
    firstMs === undefined ? null : tenths(firstMs),
    endedMs === undefined ? null : tenths(endedMs),
    reused ?? null,
  ]
  if (error !== undefined) stored.push(clean(error.code), clean(error.message))
  return stored
}

/** The timeline of a stored request. Older versions stored it as objects, or not at all. */
export function storedParts(detail: string | null): TimelineParts {
  if (detail === null) return { timeline: [], attempts: [], routing: [] }
  const stored: StoredTimeline | TimelineParts = JSON.parse(detail)
  if (!Array.isArray(stored)) return stored
  const [steps, attempts, routing] = stored
  return {
    timeline: steps.map(stepOf),
    attempts: attempts.map(attemptOf),
    routing: routing.map(([from, to, by]) => ({ from, to, by })),
  }
}

function stepOf([kind, from, to, attempt = 0, label = 0, detail]: StoredStep): Step {
  return {
    ...{ kind, from_ms: from / 10, to_ms: to / 10 },
    ...(attempt === 0 ? {} : { attempt }),
    ...(label === 0 ? {} : { label }),
    ...(detail === undefined ? {} : { detail }),
  }
}

function attemptOf(stored: StoredAttempt): Attempt {
  const [n, upstream, credential, status, started, headers, first, ended, reused, code, message = ''] = stored
  return {
    ...{ n, upstream, started_ms: started / 10 },
    ...(credential === 0 ? {} : { credential }),
    ...(status === 0 ? {} : { status }),
    ...(code === undefined ? {} : { error: { code, message } }),
    ...(headers === null ? {} : { headers_ms: headers / 10 }),
    ...(first === null ? {} : { first_ms: first / 10 }),
    ...(ended === null ? {} : { ended_ms: ended / 10 }),
    ...(reused === null ? {} : { reused }),
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10)
}
