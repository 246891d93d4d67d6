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
interface ActiveBatch {
  batch: ClaimedBatch
  dialect: Dialect
  format: BatchFormat
  /** Requests that were read and not begun. */
  queue: QueuedRequest[]
  /** The position of the last request that was read, and whether it is the last of all. */
  readTo: number
  isRead: boolean
  running: Map<number, AbortController>
  /** Monotonic time before which no request of it begins, because one was refused for a reason that passes. */
  pausedUntil: number
}

interface QueuedRequest extends PendingRequest {
  failures: number
}

/**
 * Owners take turns, and the batches of one are worked off in their order. The requests wait in the pools behind all others;
 * a refusal pauses its batch and costs no attempt, until the batch expires.
 */
export function createBatchRunner(options: BatchRunnerOptions): BatchRunner {
  const { store, dialects, sendInternal, callerOf, clock, log } = options
  const activeBatches = new Map<string, ActiveBatch>()
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
      for (const active of activeBatches.values()) abort(active)
    },
  }

  function wake(): void {
    isDue = true
    if (isBusy || isStopped) return
    isBusy = true
    stopTimer()
    void rounds().finally(() => {
      isBusy = false
      const isWorking = store.isLasting || activeBatches.size > 0 || isFailing
      if (isWorking && !isStopped) stopTimer = clock.after(nextLookMs(), wake)
    })
  }

  async function rounds(): Promise<void> {
    try {
      while (isDue && !isStopped) {
        isDue = false
        await claim()
        await endFinished()
        await startRequests()
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
    for (const [id, active] of activeBatches) {
      if (ids.has(id)) continue
      abort(active)
      activeBatches.delete(id)
    }
    for (const batch of claimed) {
      const known = activeBatches.get(batch.id)
      if (known) known.batch = batch
      else if (!isStopped) addBatch(batch)
    }
  }

  function addBatch(batch: ClaimedBatch): void {
    const dialect = dialects.find(({ id }) => id === batch.dialect)
    if (dialect?.batches === undefined) return
    const progress = { queue: [], readTo: -1, isRead: false, running: new Map(), pausedUntil: 0 }
    activeBatches.set(batch.id, { batch, dialect, format: dialect.batches, ...progress })
    if (!owners.includes(batch.owner)) owners.push(batch.owner)
  }

  async function endFinished(): Promise<void> {
    for (const active of activeBatches.values()) {
      if (isCancelled(active)) abort(active)
      if (active.running.size > 0 || !(isCancelled(active) || isExpired(active) || isDone(active))) continue
      const ended = await store.end(active.batch.id, isCancelled(active) ? 'canceled' : 'expired')
      activeBatches.delete(active.batch.id)
      if (ended) log('info', 'a batch has ended', { id: ended.id, caller: active.batch.owner, ...ended.counts })
    }
    const left = new Set([...activeBatches.values()].map(({ batch }) => batch.owner))
    owners = owners.filter((owner) => left.has(owner))
  }

  async function startRequests(): Promise<void> {
    const yieldIfLong = yieldBetweenSteps(clock, Number.POSITIVE_INFINITY)
    while (running < mostAtOnce && !isStopped) {
      const next = await nextRequest()
      if (next === undefined) return
      running++
      void run(next.active, next.request).finally(() => {
        running--
        wake()
      })
      await yieldIfLong()
    }
  }

  async function nextRequest(): Promise<{ active: ActiveBatch; request: QueuedRequest } | undefined> {
    for (const owner of owners) {
      for (const active of activeBatches.values()) {
        if (active.batch.owner !== owner || isWaiting(active)) continue
        if (active.queue.length === 0 && !active.isRead) await readNextPage(active)
        // A refusal during the read has paused the batch.
        if (isWaiting(active)) continue
        const request = active.queue.shift()
        if (request === undefined) continue
        owners = [...owners.filter((other) => other !== owner), owner]
        return { active, request }
      }
    }
    return undefined
  }

  async function readNextPage(active: ActiveBatch): Promise<void> {
    const page = await store.pending(active.batch.id, active.readTo, pageSize)
    active.readTo = page.at(-1)?.n ?? active.readTo
    active.isRead = page.length < pageSize
    active.queue.push(...page.map((request) => ({ ...request, failures: 0 })))
  }

  /** One attempt at a request. It never rejects. */
  async function run(active: ActiveBatch, request: QueuedRequest): Promise<void> {
    const aborting = new AbortController()
    active.running.set(request.n, aborting)
    const answer = await answerTo(active, request, aborting.signal)
    if (!aborting.signal.aborted) {
      const pauseMs = pauseAfter(answer, request)
      if (pauseMs === undefined) await storeOutcome(active, request, answer, aborting.signal)
      else {
        active.pausedUntil = clock.monotonic() + pauseMs
        active.queue.unshift({ ...request, failures: request.failures + (isRefusal(answer) ? 0 : 1) })
      }
    }
    active.running.delete(request.n)
  }

  async function answerTo({ batch, dialect, format }: ActiveBatch, request: PendingRequest, signal: AbortSignal) {
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
  async function storeOutcome(
    active: ActiveBatch,
    { n }: QueuedRequest,
    { status, body }: RequestAnswer,
    signal: AbortSignal,
  ): Promise<void> {
    const outcome: BatchOutcome = status === 200 ? 'succeeded' : 'errored'
    for (;;)
      try {
        await store.settle(active.batch.id, n, outcome, body)
        return
      } catch (thrown) {
        log('warn', 'the result of a request in a batch could not be stored', { id: active.batch.id, cause: thrown })
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
    const pauses = [...activeBatches.values()].map(({ pausedUntil }) => pausedUntil - now).filter((ms) => ms > 0)
    return Math.min(lookEveryMs, ...pauses)
  }

  function isWaiting(active: ActiveBatch): boolean {
    return active.pausedUntil > clock.monotonic() || isCancelled(active) || isExpired(active)
  }

  function isExpired({ batch }: ActiveBatch): boolean {
    return clock.now() >= batch.expiresAt
  }
}

interface RequestAnswer {
  status: number
  retryAfter: string | null
  body: string
}

const jsonBody: [string, string] = ['content-type', 'application/json']

function refused(error: GatewayError, dialect: Dialect): RequestAnswer {
  const { status, body } = dialect.encodeError(error, '')
  return { status, retryAfter: errorHeaders(error)['retry-after'] ?? null, body: JSON.stringify(body) }
}

/** Whether no model has begun to answer, because of too many requests or something that is unavailable for a while. */
function isRefusal({ status }: RequestAnswer): boolean {
  return status === 429 || status === 503 || status === 529
}

/** The time to the next attempt in milliseconds; `undefined` for an answer that stays. */
function pauseAfter(answer: RequestAnswer, { failures }: QueuedRequest): number | undefined {
  const mayPass = isRefusal(answer) || (answer.status >= 500 && failures + 1 < mostAttempts)
  if (!mayPass) return undefined
  const wanted = Number(answer.retryAfter ?? Number.NaN) * 1000
  return Math.min(longestPauseMs, Number.isNaN(wanted) ? usualPauseMs * 2 ** failures : wanted)
}

function isCancelled({ batch }: ActiveBatch): boolean {
  return batch.cancelledAt !== undefined
}

function isDone({ isRead, queue, running }: ActiveBatch): boolean {
  return isRead && queue.length === 0 && running.size === 0
}

function abort(active: ActiveBatch): void {
  for (const running of active.running.values()) running.abort()
}
