import type { Clock } from '../core/clock.ts'
import type {
  CredentialReport,
  ModelReport,
  PoolControl,
  PoolReport,
  ReportedRefusal,
} from '../core/credential-pool.ts'
import type { Quota as PlanQuota } from '../core/quota.ts'
import type { Redact } from '../core/redact.ts'
import type { Upstream as GatewayUpstream } from '../core/upstream.ts'
import type { CredentialSpend } from '../observe/credential-spend.ts'
import { remedyOf } from './remedies.ts'
import { withoutUnknown } from './request-row.ts'
import type { Credential, Quota, Refusal, Upstream, UpstreamBrief, UpstreamChange } from './schema/upstreams.ts'

/** An upstream of the running configuration, and what may be done with it. */
export interface OperatedUpstream {
  /** `zai-api` */
  kind: string
  /** What it is, for people: `Official API of Z.AI`. */
  title: string
  /** It is on a plan that is for one person. */
  isForOnePerson: boolean
  upstream: GatewayUpstream
  control: PoolControl
  /** How much of the plan behind each credential is used, in their order; absent where no plan is known to be. */
  readQuotas?: readonly (() => Promise<PlanQuota>)[]
}

export interface ViewOptions {
  clock: Clock
  redact: Redact
  /** The upstreams that do not answer. */
  unresponsive: () => readonly string[]
  /** What a credential has spent, by its upstream and its fingerprint or name. */
  spentOf: CredentialSpend['of']
  /** What is left of the plan behind a credential, where it was asked for. */
  quotaOf: (credential: string) => Quota | undefined
}

export interface UpstreamViews {
  brief(upstream: OperatedUpstream): UpstreamBrief
  whole(upstream: OperatedUpstream): Upstream
}

/** Pools and upstreams as the operator reads them: times as dates, limits only where they were learned. */
export function upstreamViews({ clock, redact, unresponsive, spentOf, quotaOf }: ViewOptions): UpstreamViews {
  return { brief, whole }

  function brief(operated: OperatedUpstream): UpstreamBrief {
    return briefOf(operated, operated.control.report())
  }

  function whole(operated: OperatedUpstream): Upstream {
    const report = operated.control.report()
    return {
      ...briefOf(operated, report),
      credentials: report.credentials.map((each) => credential(operated.upstream.id, report, each)),
      history: report.history.map(change),
    }
  }

  function briefOf(
    { kind, title, isForOnePerson, upstream: { id } }: OperatedUpstream,
    report: PoolReport,
  ): UpstreamBrief {
    const { credentials } = report
    const busy = sum(credentials.map(({ inFlight }) => inFlight))
    const waiting = sum(Object.values(report.waiting))
    const limits = credentials.filter(({ state }) => state !== 'paused').map(learnedLimit)
    const of = limits.length > 0 && limits.every((limit) => limit !== undefined) ? sum(limits) : undefined
    const { waitingMs, ...shown } = stateOf(credentials, waiting, unresponsive().includes(id))
    const quota = credentials.map((each) => quotaOf(each.id)).find((each) => each !== undefined)
    return withoutUnknown({
      ...{ id, kind, label: title, busy, waiting, of, quota },
      ...{ state: shown.state, text: redact(shown.text), until: untilOf(waitingMs) },
      for_one_person: isForOnePerson ? true : undefined,
      free: of === undefined ? undefined : Math.max(0, of - busy),
    })
  }

  function credential(upstream: string, report: PoolReport, each: CredentialReport): Credential {
    const { name, fingerprint = name, setting, state, inFlight, learnedLimit, reason, lastRefusal } = each
    const isFull = learnedLimit !== undefined && inFlight >= learnedLimit
    return withoutUnknown({
      ...{ id: each.id, name, fingerprint, source: setting ?? '', busy: inFlight, learned_limit: learnedLimit },
      state: state === 'ready' && isFull ? ('busy' as const) : stateNames[state],
      until: untilOf(each.waitingMs),
      reason: state === 'cooling' || state === 'suspended' ? reason && refusal(reason) : undefined,
      paused: state === 'paused',
      last_refusal: lastRefusal && refusal(lastRefusal),
      refused_1h: each.refused1h,
      requests_1h: each.calls1h,
      models: models(report, each),
      spent: spentOf(upstream, fingerprint),
      quota: quotaOf(each.id),
    })
  }

  function models({ waiting }: PoolReport, { models, coolingModels, withoutModels }: CredentialReport) {
    const known = new Set(models.map(({ model }) => model))
    const others = [...withoutModels, ...Object.keys(coolingModels)].filter((model) => !known.has(model))
    const all: ModelReport[] = [...models, ...others.map((model) => ({ model, inFlight: 0, refused1h: 0 }))]
    return all.map(({ model, inFlight, learnedLimit, refused1h, lastRefusal }) =>
      withoutUnknown({
        ...{ model, busy: inFlight, waiting: waiting[model] ?? 0, learned_limit: learnedLimit, refused: refused1h },
        state: withoutModels.includes(model)
          ? ('blocked' as const)
          : model in coolingModels
            ? ('cooling' as const)
            : ('ready' as const),
        until: untilOf(coolingModels[model]),
        last_refusal: lastRefusal && refusal(lastRefusal),
      }),
    )
  }

  function refusal({ at, code, error, text }: ReportedRefusal): Refusal {
    return { at, code, text: redact(text), remedy: remedyOf(error) }
  }

  function untilOf(waitingMs: number | undefined): number | undefined {
    return waitingMs === undefined ? undefined : Math.round(clock.now() + waitingMs)
  }
}

/** What an upstream can do now, and for how long it cannot. */
function stateOf(
  credentials: readonly CredentialReport[],
  waiting: number,
  isUnresponsive: boolean,
): Pick<UpstreamBrief, 'state' | 'text'> & { waitingMs?: number | undefined } {
  const all = credentials.length
  const those = (...states: CredentialReport['state'][]) => credentials.filter((each) => states.includes(each.state))
  const able = those('ready', 'half-open')
  if (all > 0 && those('paused').length === all) return { state: 'paused', text: 'Paused by the operator.' }
  if (isUnresponsive) return { state: 'resting', text: 'It does not answer. Requests try the others first.' }
  if (able.length === all && all < 2) {
    return waiting > 0 ? { state: 'waiting', text: `${waiting} waiting for it.` } : { state: 'ready', text: 'Ready.' }
  }
  const ready = `${able.length} of ${all} credentials can take a request`
  if (able.length > 0)
    return waiting > 0
      ? { state: 'waiting', text: `${ready}, and ${waiting} wait.` }
      : { state: 'ready', text: `${ready}.` }
  const coolingDown = those('cooling').length > 0 ? those('cooling') : those('suspended')
  const first = coolingDown.toSorted((a, b) => (a.waitingMs ?? 0) - (b.waitingMs ?? 0))[0]
  return {
    state: first?.state === 'cooling' ? 'cooling' : 'blocked',
    text: first?.reason?.text ?? 'No credential can take a request.',
    waitingMs: first?.waitingMs,
  }
}

const stateNames = {
  ...{ ready: 'ready', cooling: 'cooling', suspended: 'blocked', 'half-open': 'trying', paused: 'paused' },
} as const satisfies Record<CredentialReport['state'], Credential['state']>

function change({ forMs, ...facts }: PoolReport['history'][number]): UpstreamChange {
  return { ...facts, ...(forMs === undefined ? {} : { for_ms: forMs }) }
}

/** The limit learned for the credential as a whole, or for those of its models that were refused. */
function learnedLimit({ learnedLimit, models }: CredentialReport): number | undefined {
  const learned = models.flatMap((model) => model.learnedLimit ?? [])
  return learnedLimit ?? (learned.length === 0 ? undefined : sum(learned))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** `at` is when it was asked for. */
export function quotaView({ plan, limits }: PlanQuota, at: number): Quota {
  return withoutUnknown({
    ...{ plan, at },
    limits: limits.map(({ kind, window, usedPercent, used, total, remaining, resetsAt }) =>
      withoutUnknown({ kind, window, used_percent: usedPercent, used, total, left: remaining, resets_at: resetsAt }),
    ),
  })
}
