import { type Clock, withTimeout } from '../../core/clock.ts'
import type { Route } from '../../http/route.ts'
import type { HourSums } from '../../observe/last-hour.ts'
import type { Operator } from '../operator.ts'
import { remedyOf } from '../remedies.ts'
import { rounded, withoutUnknown } from '../request-row.ts'
import { adminRoute } from '../route.ts'
import { Now, type Setup, type Trouble } from '../schema/now.ts'
import type { UpstreamBrief } from '../schema/upstreams.ts'

/** The recipes name models, which an upstream may be slow to list. */
const setupsPatienceMs = 500

/** `/admin/api/now`: is it well, and if not, what to do. */
export function nowRoutes(operator: Operator): Route[] {
  const { clock, version, startedAt, readiness, quotas, views, redact, live, rowOf, lastHour } = operator
  const setupsAt = rememberedSetups(operator.program?.setups, clock)
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/now',
        summary: 'Is it ready, what is it doing, what went wrong of late, and how clients are set up',
        answer: Now,
        async handle({ request }) {
          void quotas.refresh()
          const url = addressOf(request)
          const [{ error }, setups] = await Promise.all([readiness.now(), setupsAt(url)])
          const upstreams = operator.upstreams()
          const briefs = upstreams.map(views.brief)
          const credentials = upstreams.flatMap(({ control }) => control.report().credentials)
          const { first, perMinute, failures, ...sums } = lastHour.sums()
          return withoutUnknown({
            version,
            at: clock.now(),
            started_at: startedAt,
            ready: error === undefined,
            code: error?.code,
            reason: error && redact(error.message),
            remedy: error && remedyOf(error.code),
            credentials: {
              ready: credentials.filter(({ state }) => state === 'ready' || state === 'trial').length,
              of: credentials.length,
            },
            base_urls: { openai: `${url}/v1`, anthropic: url },
            running: live.running().map(rowOf),
            last_hour: withoutUnknown({
              ...sums,
              first_ms: first && { median: rounded(first.median), p95: rounded(first.p95) },
              per_minute: perMinute,
            }),
            troubles: [...upstreamTroubles(briefs, clock), ...failureTroubles(failures)],
            upstreams: briefs,
            setups,
          })
        },
      },
      operator,
    ),
  ]

  function failureTroubles(failures: HourSums['failures']): Trouble[] {
    return failures.map(({ code, message, upstream, count, since, last }) =>
      withoutUnknown({ code, text: redact(message), remedy: remedyOf(code), since, last_at: last, count, upstream }),
    )
  }
}

/** Upstreams that no request can use until somebody does something. */
function upstreamTroubles(briefs: readonly UpstreamBrief[], clock: Clock): Trouble[] {
  return briefs.flatMap(({ id, state, text, until }) => {
    if (state !== 'blocked' && state !== 'resting' && state !== 'paused') return []
    return [
      {
        ...{ code: `upstream_${state}`, upstream: id, text: `${id}: ${text}`, since: clock.now() },
        remedy: state === 'blocked' && until === undefined ? remedyOf('') : remedies[state],
      },
    ]
  })
}

const remedies = {
  blocked: 'Mend the cause, then try it under Upstreams; it is tried again by itself as well.',
  resting: 'Check the network; it is tried again by itself.',
  paused: 'Resume it under Upstreams.',
}

/** The last recipes for each address; they are made anew in the background. */
function rememberedSetups(
  make: ((url: string) => Promise<Setup[]>) | undefined,
  clock: Clock,
): (url: string) => Promise<Setup[]> {
  let last: { url: string; setups: Setup[] } | undefined
  return async (url) => {
    if (make === undefined) return []
    const before = last?.url === url ? last.setups : []
    const making = make(url).then(
      (setups) => {
        last = { url, setups }
        return setups
      },
      () => before,
    )
    return withTimeout(making, setupsPatienceMs, () => before, clock)
  }
}

/** As the one who asks reaches this gateway. A proxy's word on TLS is shown and trusted with nothing. */
function addressOf({ headers, url }: Request): string {
  const host = headers.get('host') ?? new URL(url).host
  const proto = /^https$/i.test(headers.get('x-forwarded-proto') ?? '') ? 'https' : 'http'
  return `${proto}://${host}`
}
