import type { PoolChange, ReportedRefusal } from '../../core/credential-pool.ts'
import type { GatewayError } from '../../core/errors.ts'
import { isRecord } from '../../core/json.ts'
import { createHourCounter, type HourCounter } from './hour-counter.ts'

/** The outcomes of recent calls under one credential, only for the operator to see. */
export interface Activity {
  calls: HourCounter
  refusals: HourCounter
  lastRefusal: ReportedRefusal | undefined
  /** The counts by model. */
  models: Map<string, ModelRefusals>
}

export interface ModelRefusals {
  refusals: HourCounter
  last: ReportedRefusal
}

/** The most models whose refusals are remembered, because clients could fill the memory with invented names. */
const mostModels = 100
/** The most changes that are remembered of one pool. */
const mostChanges = 200

export function createActivity(): Activity {
  return { calls: createHourCounter(), refusals: createHourCounter(), lastRefusal: undefined, models: new Map() }
}

/** `now` on the monotonic clock, `at` in epoch milliseconds. */
export function recordRefusal(
  activity: Activity,
  model: string,
  error: GatewayError,
  { now, at }: { now: number; at: number },
): void {
  const { models } = activity
  const last = reportedRefusal(error, at)
  activity.lastRefusal = last
  activity.refusals.add(now)
  const refusals = models.get(model)?.refusals ?? createHourCounter()
  refusals.add(now)
  // The model that was refused last is the last to be forgotten.
  models.delete(model)
  models.set(model, { refusals, last })
  const [oldest] = models.keys()
  if (models.size > mostModels && oldest !== undefined) models.delete(oldest)
}

export function reportedRefusal(error: GatewayError, at: number): ReportedRefusal {
  return { at, code: refusalCode(error), error: error.code, text: error.message }
}

/** The vendor's own code where there is one. */
export function refusalCode({ code, detail }: GatewayError): string {
  return isRecord(detail) && typeof detail.code === 'string' && detail.code !== '' ? detail.code : code
}

export function remember(history: PoolChange[], change: PoolChange): void {
  history.push(change)
  if (history.length > mostChanges) history.shift()
}
