import type { BatchFormat, BatchOutcome } from '../core/batch.ts'
import type { Caller } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import { asGatewayError, errorHeaders, type GatewayError } from '../core/errors.ts'
import { yieldBetweenSteps } from '../core/yield-between-steps.ts'
import type { BatchStore, ClaimedBatch, PendingRequest } from '../store/batches.ts'
import type { SendInternal } from './internal-requests.ts'

export interface BatchRunnerOptions {
  store: BatchStore
  dialects: readonly Dialect[]
  sendInternal: SendInternal
  /** The caller with an id, if its key may still be used for the dialect. Errors: `unauthorized`, `forbidden`, `overloaded`. */
  callerOf: (keyId: string, dialect: Dialect) => Caller
  clock: Clock
  log: (level: 'info' | 'warn', message: string, facts: object) => void
}

/** Runs the batches of this gateway, a few requests at a time, with background priority. */
export interface BatchRunner {
  /** To be called when there is a new batch, or when one was cancelled. */
  wake(): void
  /** Aborts the requests under way. The gateway that runs their batches next makes them again. */
  stop(): void
}

/** The most requests at a time, of all batches together. The pool of each upstream limits them further. */
const mostAtOnce = 8
/** How many requests of one batch are read at a time: several long ones together would hold up everybody else. */
const pageSize = 1
/** How often this gateway renews its claim to batches, and takes over those of gateways that have stopped. */
const lookEveryMs = 5_000
/** The most attempts at a request that fails for an unexpected reason that may pass. */
const mostAttempts = 3
const longestPauseMs = 10 * 60_000
const usualPauseMs = 2_000

/** One batch that is worked on. */
interface Work {
  batch: ClaimedBatch
  dialect: Dialect
  format: BatchFormat
  /** Requests that were read and not begun. */
  queue: Attempt[]
  /** The position of the last request that was read, and whether it is the last of all. */
  readTo: number
  isRead: boolean
  running: Map<number, AbortController>
  /** Monotonic time before which no request of it begins, because one was refused for a reason that passes. */
  pausedUntil: number
}

interface Attempt extends PendingRequest {
  failures: number
}

/**
 * Owners take turns, and the batches of one are worked off in their order. The requests wait in the pools behind all others;
 * a refusal pauses its batch and costs no attempt, until the batch expires.
 */
export function createBatchRunner(options: BatchRunnerOptions): BatchRunner {
  const { store, dialects, sendInternal, callerOf, clock, log } = options
  const works = new Map<string, Work>()
  // Owners, whoever was served longest ago first.
  let owners: string[] = []
  let running = 0
  let isStopped = false
  // Whether a round is running, and whether another one is due.
  let isBusy = false
  let isDue = false
  let isFailing = false
  let stopTimer = () => {}
  if (store.isLasting) stopTimer = clock.after(0, wake)

  return {
    wake,
    stop() {
      isStopped = true
      stopTimer()
      for (const work of works.values()) abort(work)
    },
  }

  function wake(): void {
    isDue = true
    if (isBusy || isStopped) return
    isBusy = true
    stopTimer()
    void rounds().finally(() => {
      isBusy = false
      const isWorking = store.isLasting || works.size > 0 || isFailing
      if (isWorking && !isStopped) stopTimer = clock.after(nextLookMs(), wake)
    })
  }

  async function rounds(): Promise<void> {
    try {
      while (isDue && !isStopped) {
        isDue = false
        await claim()
        await endWhatIsOver()
        await begin()
        isFailing = false
      }
    } catch (thrown) {
      if (!isFailing) log('warn', 'batches could not be worked on; this is tried again', { cause: thrown })
      isFailing = true
    }
  }

  /** Takes over what nobody works on, and lets go of what another gateway has taken over. */
  async function claim(): Promise<void> {
    const claimed = await store.claim()
    const ids = new Set(claimed.map(({ id }) => id))
    for (const [id, work] of works) {
      if (ids.has(id)) continue
      abort(work)
      works.delete(id)
    }
    for (const batch of claimed) {
      const known = works.get(batch.id)
      if (known) known.batch = batch
      else if (!isStopped) takeOn(batch)
    }
  }

  function takeOn(batch: ClaimedBatch): void {
    const dialect = dialects.find(({ id }) => id === batch.dialect)
    if (dialect?.batches === undefined) return
    const progress = { queue: [], readTo: -1, isRead: false, running: new Map(), pausedUntil: 0 }
    works.set(batch.id, { batch, dialect, format: dialect.batches, ...progress })
    if (!owners.includes(batch.owner)) owners.push(batch.owner)
  }

  async function endWhatIsOver(): Promise<void> {
    for (const work of works.values()) {
      if (isCancelled(work)) abort(work)
      if (work.running.size > 0 || !(isCancelled(work) || isExpired(work) || isDone(work))) continue
      const ended = await store.end(work.batch.id, isCancelled(work) ? 'canceled' : 'expired')
      works.delete(work.batch.id)
      if (ended) log('info', 'a batch has ended', { id: ended.id, caller: work.batch.owner, ...ended.counts })
    }
    const left = new Set([...works.values()].map(({ batch }) => batch.owner))
    owners = owners.filter((owner) => left.has(owner))
  }

  async function begin(): Promise<void> {
    const yieldIfLong = yieldBetweenSteps(clock, Number.POSITIVE_INFINITY)
    while (running < mostAtOnce && !isStopped) {
      const next = await nextRequest()
      if (next === undefined) return
      running++
      void run(next.work, next.request).finally(() => {
        running--
        wake()
      })
      await yieldIfLong()
    }
  }

  async function nextRequest(): Promise<{ work: Work; request: Attempt } | undefined> {
    for (const owner of owners) {
      for (const work of works.values()) {
        if (work.batch.owner !== owner || isWaiting(work)) continue
        if (work.queue.length === 0 && !work.isRead) await readOn(work)
        // A refusal during the read has paused the batch.
        if (isWaiting(work)) continue
        const request = work.queue.shift()
        if (request === undefined) continue
        owners = [...owners.filter((other) => other !== owner), owner]
        return { work, request }
      }
    }
    return undefined
  }

  async function readOn(work: Work): Promise<void> {
    const page = await store.pending(work.batch.id, work.readTo, pageSize)
    work.readTo = page.at(-1)?.n ?? work.readTo
    work.isRead = page.length < pageSize
    work.queue.push(...page.map((request) => ({ ...request, failures: 0 })))
  }

  /** One attempt at a request. It never rejects. */
  async function run(work: Work, request: Attempt): Promise<void> {
    const breaking = new AbortController()
    work.running.set(request.n, breaking)
    const answer = await answerTo(work, request, breaking.signal)
    if (!breaking.signal.aborted) {
      const pauseMs = pauseAfter(answer, request)
      if (pauseMs === undefined) await settle(work, request, answer, breaking.signal)
      else {
        work.pausedUntil = clock.monotonic() + pauseMs
        work.queue.unshift({ ...request, failures: request.failures + (isRefusal(answer) ? 0 : 1) })
      }
    }
    work.running.delete(request.n)
  }

  async function answerTo({ batch, dialect, format }: Work, request: PendingRequest, signal: AbortSignal) {
    try {
      const caller = callerOf(batch.owner, dialect)
      const headers = [...batch.headers.map(([name, value]): [string, string] => [name, value]), jsonBody]
      const asked = new Request(`http://localhost/v1${format.requestPath}`, {
        ...{ method: 'POST', headers, body: request.body, signal },
      })
      const response = await sendInternal(asked, { note: `batch ${batch.id}`, caller, isBackground: true })
      return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.text() }
    } catch (thrown) {
      return refused(asGatewayError(thrown), dialect)
    }
  }

  /** Stores an outcome, and tries until it succeeds or `signal` aborts, so that no answer of a model is thrown away. */
  async function settle(work: Work, { n }: Attempt, { status, body }: Answer, signal: AbortSignal): Promise<void> {
    const outcome: BatchOutcome = status === 200 ? 'succeeded' : 'errored'
    for (;;)
      try {
        await store.settle(work.batch.id, n, outcome, body)
        return
      } catch (thrown) {
        log('warn', 'the result of a request in a batch could not be stored', { id: work.batch.id, cause: thrown })
        await pause(lookEveryMs, signal)
        if (signal.aborted) return
      }
  }

  function pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const stop = clock.after(ms, resolve)
      signal.addEventListener('abort', () => {
        stop()
        resolve()
      })
    })
  }

  function nextLookMs(): number {
    const now = clock.monotonic()
    const pauses = [...works.values()].map(({ pausedUntil }) => pausedUntil - now).filter((ms) => ms > 0)
    return Math.min(lookEveryMs, ...pauses)
  }

  function isWaiting(work: Work): boolean {
    return work.pausedUntil > clock.monotonic() || isCancelled(work) || isExpired(work)
  }

  function isExpired({ batch }: Work): boolean {
    return clock.now() >= batch.expiresAt
  }
}

interface Answer {
  status: number
  retryAfter: string | null
  body: string
}

const jsonBody: [string, string] = ['content-type', 'application/json']

function refused(error: GatewayError, dialect: Dialect): Answer {
  const { status, body } = dialect.encodeError(error, '')
  return { status, retryAfter: errorHeaders(error)['retry-after'] ?? null, body: JSON.stringify(body) }
}

/** Whether no model has begun to answer, because of too many requests or something that is unavailable for a while. */
function isRefusal({ status }: Answer): boolean {
  return status === 429 || status === 503 || status === 529
}

/** The time to the next attempt in milliseconds; `undefined` for an answer that stays. */
function pauseAfter(answer: Answer, { failures }: Attempt): number | undefined {
  const mayPass = isRefusal(answer) || (answer.status >= 500 && failures + 1 < mostAttempts)
  if (!mayPass) return undefined
  const wanted = Number(answer.retryAfter ?? Number.NaN) * 1000
  return Math.min(longestPauseMs, Number.isNaN(wanted) ? usualPauseMs * 2 ** failures : wanted)
}

function isCancelled({ batch }: Work): boolean {
  return batch.cancelledAt !== undefined
}

function isDone({ isRead, queue, running }: Work): boolean {
  return isRead && queue.length === 0 && running.size === 0
}

function abort(work: Work): void {
  for (const running of work.running.values()) running.abort()
}
