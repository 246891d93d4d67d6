import type { BatchOutcome } from '../core/batch.ts'
import type { Caller } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import { asGatewayError, errorHeaders, type GatewayError } from '../core/errors.ts'
import type { BatchStore } from '../store/batches.ts'
import type { ActiveBatch, QueuedRequest } from './active-batches.ts'
import type { SendInternal } from './internal-requests.ts'

export interface BatchRequestOptions {
  store: BatchStore
  sendInternal: SendInternal
  /** The caller with an id, if its key may still be used for the dialect. Errors: `unauthorized`, `forbidden`, `overloaded`. */
  callerOf: (keyId: string, dialect: Dialect) => Caller
  clock: Clock
  log: (level: 'info' | 'warn', message: string, facts: object) => void
}

/** The most attempts at a request that fails for an unexpected reason that may pass. */
const mostAttempts = 3
const longestPauseMs = 10 * 60_000
const usualPauseMs = 2_000
/** How long it waits before it stores an outcome again. */
const retryMs = 5_000

/** One attempt at a request of a batch. A refusal pauses the batch and costs no attempt. It never rejects. */
export async function runBatchRequest(
  active: ActiveBatch,
  request: QueuedRequest,
  options: BatchRequestOptions,
): Promise<void> {
  const aborting = new AbortController()
  const { signal } = aborting
  active.running.set(request.n, aborting)
  const answer = await answerTo(active, request, signal, options)
  if (!signal.aborted) {
    const pauseMs = pauseAfter(answer, request)
    if (pauseMs === undefined) await storeOutcome({ id: active.batch.id, n: request.n, answer, signal }, options)
    else {
      active.pausedUntil = options.clock.monotonic() + pauseMs
      active.queue.unshift({ ...request, failures: request.failures + (isRefusal(answer) ? 0 : 1) })
    }
  }
  active.running.delete(request.n)
}

async function answerTo(
  { batch, dialect, format }: ActiveBatch,
  { body }: QueuedRequest,
  signal: AbortSignal,
  { callerOf, sendInternal }: BatchRequestOptions,
): Promise<RequestAnswer> {
  try {
    const caller = callerOf(batch.owner, dialect)
    const headers = [...batch.headers.map(([name, value]): [string, string] => [name, value]), jsonBody]
    const asked = new Request(`http://localhost/v1${format.requestPath}`, { method: 'POST', headers, body, signal })
    const response = await sendInternal(asked, { note: `batch ${batch.id}`, caller, isBackground: true })
    return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.text() }
  } catch (thrown) {
    return refused(asGatewayError(thrown), dialect)
  }
}

/** Stores an outcome, and tries until it succeeds or `signal` aborts, so that no answer of a model is thrown away. */
async function storeOutcome(
  { id, n, answer, signal }: { id: string; n: number; answer: RequestAnswer; signal: AbortSignal },
  { store, clock, log }: BatchRequestOptions,
): Promise<void> {
  const outcome: BatchOutcome = answer.status === 200 ? 'succeeded' : 'errored'
  for (;;)
    try {
      await store.storeOutcome(id, n, outcome, answer.body)
      return
    } catch (thrown) {
      log('warn', 'the result of a request in a batch could not be stored', { id, cause: thrown })
      await pause(retryMs, clock, signal)
      if (signal.aborted) return
    }
}

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = clock.after(ms, resolve)
    signal.addEventListener('abort', () => {
      stop()
      resolve()
    })
  })
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
