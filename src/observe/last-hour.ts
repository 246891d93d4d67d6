import type { Clock } from '../core/clock.ts'
import { elapsedMs, type RequestRecord } from './record.ts'

/** Statistics of the requests of the last 60 minutes. */
export interface LastHour {
  /** Called once for each request that is over. */
  add(record: RequestRecord): void
  sums(): HourSums
}

export interface HourSums {
  requests: number
  errors: number
  /** Requests that took `slowMs` or longer. */
  slow: number
  /** Requests with notes. */
  noted: number
  input: number
  cached: number
  output: number
  /** The sum over requests whose cost is known; absent if there are none. */
  credits?: number
  usd?: number
  /** Milliseconds; absent where no request had a token. */
  first?: { median: number; p95: number }
  /** Requests of each minute, oldest first; the last one is under way. */
  perMinute: number[]
  /** How many of these failed. */
  errorsPerMinute: number[]
  /** The errors by code and upstream, the most frequent first. */
  failures: Failure[]
}

export interface Failure {
  code: string
  upstream?: string
  count: number
  /** The message of the last error of this kind. */
  message: string
  /** Epoch milliseconds of the first and of the last one in the hour. */
  since: number
  last: number
}

interface Minute {
  number: number
  requests: number
  errors: number
  slow: number
  noted: number
  input: number
  cached: number
  output: number
  credits: number | undefined
  usd: number | undefined
  firstMs: number[]
  failures: Map<string, Failure>
}

const minuteMs = 60_000
const minutes = 60
/** A request is slow from here on. */
const slowMs = 30_000
/** First tokens that are remembered of one minute, and kinds of failures. */
const mostSamples = 500
const mostFailures = 50

/** Counts by minutes, so that an hour takes the same memory however much happens in it. */
export function createLastHour(clock: Clock): LastHour {
  let kept: Minute[] = []

  return {
    add(record) {
      const minute = current()
      minute.requests++
      if (elapsedMs(record, clock) >= slowMs) minute.slow++
      if (record.notes.length > 0) minute.noted++
      const { usage, firstTokenMs, error } = record
      minute.input += usage?.inputTokens ?? 0
      minute.cached += usage?.cachedInputTokens ?? 0
      minute.output += usage?.outputTokens ?? 0
      minute.credits = sumOf(minute.credits, record.cost?.credits)
      minute.usd = sumOf(minute.usd, record.cost?.usd)
      if (firstTokenMs !== undefined && minute.firstMs.length < mostSamples) minute.firstMs.push(firstTokenMs)
      // A client that leaves is no failure.
      if (error === undefined || error.kind === 'cancelled') return
      minute.errors++
      addFailure(minute.failures, failureOf(record.upstream, error, record.startedAt))
    },
    sums() {
      const now = current().number
      const total = (count: (minute: Minute) => number) => kept.reduce((sum, minute) => sum + count(minute), 0)
      const firstMs = kept.flatMap((minute) => minute.firstMs).sort((a, b) => a - b)
      const credits = kept.reduce<number | undefined>((sum, minute) => sumOf(sum, minute.credits), undefined)
      const usd = kept.reduce<number | undefined>((sum, minute) => sumOf(sum, minute.usd), undefined)
      const eachMinute = (count: (minute: Minute) => number) =>
        Array.from({ length: minutes }, (_, index) => {
          const minute = kept.find(({ number }) => number === now - minutes + 1 + index)
          return minute === undefined ? 0 : count(minute)
        })
      const median = quantile(firstMs, 0.5)
      const p95 = quantile(firstMs, 0.95)
      const failures = new Map<string, Failure>()
      for (const minute of kept) for (const failure of minute.failures.values()) addFailure(failures, { ...failure })
      return {
        requests: total(({ requests }) => requests),
        errors: total(({ errors }) => errors),
        slow: total(({ slow }) => slow),
        noted: total(({ noted }) => noted),
        input: total(({ input }) => input),
        cached: total(({ cached }) => cached),
        output: total(({ output }) => output),
        ...(credits === undefined ? {} : { credits }),
        ...(usd === undefined ? {} : { usd }),
        ...(median === undefined || p95 === undefined ? {} : { first: { median, p95 } }),
        perMinute: eachMinute(({ requests }) => requests),
        errorsPerMinute: eachMinute(({ errors }) => errors),
        failures: [...failures.values()].sort((a, b) => b.count - a.count),
      }
    },
  }

  function current(): Minute {
    const number = Math.floor(clock.monotonic() / minuteMs)
    const last = kept.at(-1)
    if (last?.number === number) return last
    const minute: Minute = {
      ...{
        number,
        requests: 0,
        errors: 0,
        slow: 0,
        noted: 0,
        input: 0,
        cached: 0,
        output: 0,
        credits: undefined,
        usd: undefined,
        firstMs: [],
        failures: new Map(),
      },
    }
    kept = [...kept.filter((each) => each.number > number - minutes), minute]
    return minute
  }
}

function failureOf(upstream: string | undefined, error: { code: string; message: string }, at: number): Failure {
  const { code, message } = error
  return { code, message, count: 1, since: at, last: at, ...(upstream === undefined ? {} : { upstream }) }
}

function addFailure(failures: Map<string, Failure>, failure: Failure): void {
  const name = `${failure.code} ${failure.upstream ?? ''}`
  const known = failures.get(name)
  if (known === undefined) {
    if (failures.size < mostFailures) failures.set(name, failure)
    return
  }
  known.count += failure.count
  known.since = Math.min(known.since, failure.since)
  if (failure.last >= known.last) Object.assign(known, { last: failure.last, message: failure.message })
}

function sumOf(total: number | undefined, more: number | undefined): number | undefined {
  return total === undefined || more === undefined ? (total ?? more) : total + more
}

function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}
