import type { Clock } from '../core/clock.ts'
import type { Redact } from '../core/redact.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestLimits } from '../http/limits.ts'
import type { Capture } from '../observe/capture.ts'
import type { CredentialSpend } from '../observe/credential-spend.ts'
import type { LastHour } from '../observe/last-hour.ts'
import type { LiveRequests } from '../observe/live-requests.ts'
import type { RecentRequests } from '../observe/recent-requests.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { FindSecrets } from '../observe/redaction.ts'
import { createLiveFeed, type LiveFeed } from './live-feed.ts'
import { createQuotas, type Quotas } from './quotas.ts'
import { createReadiness, type Readiness } from './readiness.ts'
import { requestRow } from './request-row.ts'
import type { Remembered } from './routes/requests.ts'
import type { DoctorStep } from './schema/doctor.ts'
import type { Licences } from './schema/licences.ts'
import type { RequestDetail, RequestRow } from './schema/requests.ts'
import type { Setup } from './schema/setups.ts'
import type { System } from './schema/system.ts'
import type { TimelineParts } from './timeline-parts.ts'
import { type OperatedUpstream, type UpstreamViews, upstreamViews } from './upstream-views.ts'

export interface OperatorOptions {
  version: string
  clock: Clock
  redact: Redact
  gateway: Gateway
  limits: RequestLimits
  live: LiveRequests
  lastHour: LastHour
  spend: CredentialSpend
  capture: Capture
  recent: RecentRequests
  /** In what is shown of requests. */
  findSecrets: FindSecrets
  /** A request that is too old to be recent. */
  storedRequest?: ((id: string) => Promise<StoredDetail | undefined>) | undefined
  /** The upstreams of the running configuration, in its order. */
  upstreams: () => readonly OperatedUpstream[]
  /** Absent without a database. */
  remembered?: Remembered | undefined
  /** What only the running command knows; absent where no command runs, as in a test. */
  program?: ServingProgram | undefined
}

/** What a page shows of a stored request, except its messages. */
export type StoredDetail = RequestRow & TimelineParts & Pick<RequestDetail, 'previous' | 'next'>

/** What the command that serves knows of itself. */
export interface ServingProgram {
  /** How clients are pointed at the gateway that answers at this URL: `http://127.0.0.1:8080`. */
  setups(url: string): Promise<Setup[]>
  system(url: string): Omit<System, 'version' | 'started_at' | 'uptime_ms'>
  /** The packages inside the program. */
  licences(): Promise<Licences['packages']>
  /** The checks of `zai2api doctor`, as they are done. */
  doctor(signal: AbortSignal): AsyncIterable<DoctorStep>
}

/** Everything that the operator's routes look at. */
export interface OperatorContext extends OperatorOptions {
  /** Epoch milliseconds. */
  startedAt: number
  uptimeMs: () => number
  readiness: Readiness
  quotas: Quotas
  views: UpstreamViews
  feed: LiveFeed
  rowOf: (record: RequestRecord) => RequestRow
}

export function createOperator(options: OperatorOptions): OperatorContext {
  const { clock, redact, gateway, limits, live, capture, upstreams } = options
  const readiness = createReadiness(gateway, limits, clock)
  const quotas = createQuotas(upstreams, clock)
  const views = upstreamViews({
    clock,
    redact,
    unresponsive: gateway.unresponsive,
    spentOf: options.spend.of,
    quotaOf: quotas.of,
  })
  const rowOf = (record: RequestRecord) => requestRow(record, clock, redact)
  const state = () => ({
    ready: readiness.last().error === undefined,
    upstreams: upstreams().map(views.brief),
  })
  const since = clock.monotonic()
  const feed = createLiveFeed({ clock, live, rowOf, state })
  capture.subscribe(() => feed.notify({ event: 'capture', data: capture.state() }))
  return {
    ...options,
    startedAt: clock.now(),
    uptimeMs: () => clock.monotonic() - since,
    ...{ readiness, quotas, views, rowOf },
    feed,
  }
}
