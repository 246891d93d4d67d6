import type { Clock } from '../../core/clock.ts'
import { cancelled } from '../../core/errors.ts'
import type { Validated, ValidationJob } from './validation.ts'

/** What a thread reports about its job: `begun` once the validator is loaded, then the result. */
export type WorkerMessage = { type: 'begun' } | { type: 'judged'; validated: Validated } | { type: 'failed' }

/** A thread that receives one `ValidationJob` at a time and answers with `WorkerMessage`s. */
export type ValidationWorker = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>

export interface WorkerQueueOptions {
  /** Throws if no thread can be started. */
  startThread: () => ValidationWorker
  clock: Clock
  memory: {
    /** Bytes of memory that the process holds. */
    held: () => number
    /** Bytes of memory that the machine has left. */
    left: () => number
  }
  /** The time for one job after it has begun. */
  jobMs: number
}

/** Why a job was not finished. */
export type WorkerFailure = 'too slow' | 'too much memory' | 'too many' | 'not started' | 'broken'

export type WorkerQueue = (
  job: ValidationJob,
  position: 'first' | 'last',
  signal: AbortSignal,
) => Promise<Validated | WorkerFailure>

/** Bytes of memory that one job may take. */
const maxMemory = 512 * 1024 * 1024
const checkEveryMs = 50
/** The longest time that a job waits for its turn. */
const maxWaitMs = 5_000
/** The longest time that a thread takes to start, on a busy machine. */
const maxStartMs = 10_000
/** An idle thread is ended after this time, because it holds about 20 MB. */
const idleMs = 60_000

interface QueuedJob {
  job: ValidationJob
  settle(outcome: Validated | WorkerFailure): void
  stopWaiting(): void
}

/**
 * A queue of jobs for one thread, which does one job at a time. A job that takes too long or too much memory is ended
 * together with the thread, and the next job gets a new thread.
 */
export function createWorkerQueue({ startThread, clock, memory, jobMs }: WorkerQueueOptions): WorkerQueue {
  const waiting = { first: new Set<QueuedJob>(), last: new Set<QueuedJob>() }
  let thread: ValidationWorker | undefined
  let running: QueuedJob | undefined
  let stopIdling = () => {}

  return (job, position, signal) =>
    new Promise((resolve, reject) => {
      const entry: QueuedJob = {
        job,
        settle(outcome) {
          signal.removeEventListener('abort', onAbort)
          resolve(outcome)
        },
        stopWaiting: clock.after(maxWaitMs, () => {
          waiting[position].delete(entry)
          entry.settle('too many')
        }),
      }
      const onAbort = () => {
        entry.stopWaiting()
        waiting[position].delete(entry)
        reject(cancelled())
        if (running === entry) abandon()
      }
      if (signal.aborted) {
        onAbort()
        return
      }
      signal.addEventListener('abort', onAbort, { once: true })
      waiting[position].add(entry)
      startNext()
    })

  function startNext(): void {
    stopIdling()
    while (running === undefined) {
      const next = take(waiting.first) ?? take(waiting.last)
      if (next === undefined) break
      next.stopWaiting()
      const used = usableThread()
      if (used === undefined) next.settle('not started')
      else start(next, used)
    }
    if (running === undefined && thread) stopIdling = clock.after(idleMs, endThread)
  }

  function usableThread(): ValidationWorker | undefined {
    try {
      thread ??= startThread()
      return thread
    } catch {
      return undefined
    }
  }

  function start(entry: QueuedJob, used: ValidationWorker): void {
    running = entry
    const maxHeld = memory.held() + Math.min(maxMemory, memory.left() / 2)
    let deadline = clock.monotonic() + maxStartMs
    let stopChecking = clock.after(checkEveryMs, check)
    used.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (running !== entry) return
      if (data.type === 'begun') deadline = clock.monotonic() + jobMs
      else if (data.type === 'judged') finish(data.validated)
      else finish('broken')
    }
    used.onerror = () => {
      // The thread may also fail while it is idle, and must not be used again.
      if (running === undefined && thread === used) endThread()
      end('broken')
    }
    used.postMessage(entry.job)

    function check(): void {
      if (running !== entry) return
      if (clock.monotonic() >= deadline) end('too slow')
      else if (memory.held() > maxHeld) end('too much memory')
      else stopChecking = clock.after(checkEveryMs, check)
    }

    function end(failure: WorkerFailure): void {
      if (running !== entry) return
      endThread()
      finish(failure)
    }

    function finish(outcome: Validated | WorkerFailure): void {
      stopChecking()
      running = undefined
      entry.settle(outcome)
      startNext()
    }
  }

  /** Ends the running job, because the request that needs it was cancelled. */
  function abandon(): void {
    endThread()
    running = undefined
    startNext()
  }

  function endThread(): void {
    thread?.terminate()
    thread = undefined
  }
}

function take(entries: Set<QueuedJob>): QueuedJob | undefined {
  const [next] = entries
  if (next) entries.delete(next)
  return next
}
