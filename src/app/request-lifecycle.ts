import type { MeteredCall } from '../core/call-meter.ts'
import type { InternalRequest } from '../http/internal-requests.ts'
import { readTarget } from '../http/request-target.ts'
import type { Cost } from '../models/cost.ts'
import { clientOf } from '../observe/clients.ts'
import { billedUsage, closeRecord, detach, elapsedMs, openRecord, type RequestRecord } from '../observe/record.ts'
import { createTimeline } from '../observe/timeline.ts'
import type { AppOptions } from './options.ts'

/** The record of each request, from its first byte to its line in the log. */
export interface RequestLifecycle {
  /** Opens the record of a request. `internal` is set if the gateway itself makes the request. */
  open(request: Request, internal: InternalRequest | undefined): void
  /** The record of a request that was opened. */
  of(request: Request): RequestRecord
  /** Begins to observe an admitted request for a reply: its client, its bodies, its timeline, and the live list. */
  observe(request: Request): void
  /** Closes the record of a request that is over, and reports it to everything that counts requests. */
  close(record: RequestRecord): void
}

export function createRequestLifecycle(options: AppOptions): RequestLifecycle {
  const { clock, newId, capture, live, operator, keys, metrics } = options
  const records = new WeakMap<Request, RequestRecord>()

  return {
    open(request, internal) {
      const record = openRecord(newId('req_'), request.method, readTarget(request), clock)
      if (options.trace) record.traceparent = request.headers.get('traceparent') ?? undefined
      records.set(request, record)
      if (!internal) return
      record.notes.push(internal.note)
      record.isBackground = internal.isBackground
      internal.begun?.(record)
    },
    of: recordOf,
    observe(request) {
      const { method, url, headers } = request
      const record = recordOf(request)
      const client = clientOf(headers, options.redact)
      if (client) record.client = client
      record.capture = capture?.begin(record.id, record.startedMonotonic)
      record.capture?.requestHead({ method, url, headers: [...headers] })
      if (capture?.mode() !== 'off') beginTimeline(record)
      live?.opened(record)
    },
    close(record) {
      record.timeline?.end()
      record.phase = 'done'
      record.totalMs = elapsedMs(record, clock)
      record.usage = billedUsage(record)
      if (options.costOf) record.cost = options.costOf(record.calls, record.startedAt)
      options.limits.release(record)
      void keys?.ledger.settle(record)
      metrics?.closed(record, elapsedMs(record, clock))
      options.trace?.(record)
      if (record.timeline) operator?.lastHour.add(record)
      for (const call of record.calls) operator?.spend.add(call, costOfCall(record, call))
      live?.closed(record)
      record.capture?.end()
      if (record.timeline) options.remember?.(record)
      closeRecord(record, clock, options.log)
      detach(record)
      if (record.timeline) operator?.recent.add(record)
    },
  }

  function recordOf(request: Request): RequestRecord {
    const record = records.get(request)
    if (!record) throw new Error('a request without a record')
    return record
  }

  function costOfCall({ calls, cost, startedAt }: RequestRecord, call: MeteredCall): Cost {
    return (calls.length === 1 ? cost : options.costOf?.([call], startedAt)) ?? {}
  }

  function beginTimeline(record: RequestRecord): void {
    record.timeline = createTimeline(
      () => elapsedMs(record, clock),
      () => record.onPhase?.(record),
      // By way of the record, which lets go of its bodies at its end: the timeline is kept for longer.
      (attempt) => record.capture?.exchange(attempt),
    )
    record.timeline.begin('read')
  }
}
