import { addressOf } from '../../http/own-address.ts'
import type { Route } from '../../http/route.ts'
import { peakSpans } from '../../models/cost.ts'
import type { HourSums } from '../../observe/last-hour.ts'
import type { OperatorContext } from '../operator-context.ts'
import { remedyOf } from '../remedies.ts'
import { rounded, withoutUnknown } from '../request-row.ts'
import { adminRoute } from '../route.ts'
import { Now, type Trouble } from '../schema/now.ts'
import type { Upstream } from '../schema/upstreams.ts'

const dayMs = 24 * 3_600_000

/** `/admin/api/now`: current problems with their remedies, and what is running. */
export function nowRoutes(operator: OperatorContext): Route[] {
  const { clock, version, startedAt, readiness, quotas, views, redact, live, rowOf, lastHour } = operator
  // When an upstream entered its current state, where its history does not say.
  const unwellSince = new Map<string, number>()
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/now',
        summary: 'Is it ready, what is it doing, and what went wrong of late',
        answer: Now,
        async handle({ request }) {
          void quotas.refresh()
          const url = addressOf(request)
          const { error } = await readiness.now()
          const upstreams = operator.upstreams()
          const briefs = upstreams.map(views.brief)
          const credentials = upstreams.flatMap(({ control }) => control.report().credentials)
          const { first, perMinute, errorsPerMinute, failures, ...sums } = lastHour.sums()
          return withoutUnknown({
            version,
            at: clock.now(),
            started_at: startedAt,
            ready: error === undefined,
            code: error?.code,
            reason: error && redact(error.message),
            remedy: error && remedyOf(error.code),
            credentials: {
              ready: credentials.filter(({ state }) => state === 'ready' || state === 'half-open').length,
              of: credentials.length,
            },
            base_urls: { openai: `${url}/v1`, anthropic: url },
            running: live.running().map(rowOf),
            last_hour: withoutUnknown({
              ...sums,
              first_ms: first && { median: rounded(first.median), p95: rounded(first.p95) },
              per_minute: perMinute,
              errors_per_minute: errorsPerMinute,
            }),
            peak_hours: peakSpans(clock.now() - dayMs, clock.now() + 7 * dayMs),
            troubles: troubles(failures),
            upstreams: briefs,
            capture: operator.capture.state(),
          })
        },
      },
      operator,
    ),
  ]

  function troubles(failures: HourSums['failures']): Trouble[] {
    const seen = failures.map(({ code, message, upstream, count, since, last }) =>
      withoutUnknown({ code, text: redact(message), remedy: remedyOf(code), since, last_at: last, count, upstream }),
    )
    const upstreams = operator.upstreams().map(views.whole)
    return [...upstreams.flatMap(standing), ...seen, ...upstreams.flatMap((upstream) => waitedOut(upstream, seen))]
  }

  /** Problems that keep requests from an upstream until somebody acts, or for longer than requests wait. */
  function standing({ id, state, text, credentials, history }: Upstream): Trouble[] {
    if (state !== 'blocked' && state !== 'resting' && state !== 'paused') {
      unwellSince.delete(id)
      return []
    }
    const since = history.findLast(({ kind }) => kind === state)?.at ?? unwellSince.get(id) ?? clock.now()
    unwellSince.set(id, since)
    const reason = credentials.find((each) => each.reason !== undefined)?.reason
    const isBlocked = state === 'blocked'
    const code = (isBlocked ? reason?.code : undefined) ?? `upstream_${state}`
    const remedy = isBlocked ? (reason?.remedy ?? remedyOf(code)) : remedies[state]
    return [{ code, upstream: id, text: `${id}: ${text}`, remedy, since }]
  }
}

/** Refusals of the last hour that no client has seen. */
function waitedOut({ id, credentials }: Upstream, seen: readonly Trouble[]): Trouble[] {
  if (seen.some(({ upstream }) => upstream === id)) return []
  return credentials.flatMap(({ refused_1h, last_refusal, state, name }) => {
    if (refused_1h === 0 || last_refusal === undefined || state === 'blocked') return []
    const { at, code, text } = last_refusal
    const remedy = 'Nothing: it was waited out here, and no client saw it.'
    return [{ code, text: `${name}: ${text}`, remedy, since: at, last_at: at, count: refused_1h, upstream: id }]
  })
}

const remedies = {
  resting: 'Check the network; it is tried again by itself.',
  paused: 'Resume it under Upstreams.',
}
