import type { Clock } from '../../core/clock.ts'
import { cancelled } from '../../core/errors.ts'
import type { Validated, ValidationJob } from './validation.ts'

/** What a thread says of its job: that it has begun, its program loaded, and how it ended. */
export type WorkerMessage = { type: 'begun' } | { type: 'judged'; validated: Validated } | { type: 'failed' }

/** A thread that takes one `ValidationJob` after the other and answers in `WorkerMessage`s. */
export type ValidationWorker = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>

export interface WorkerQueueOptions {
  /** Throws where there is no room for one. */
  startThread: () => ValidationWorker
  clock: Clock
  memory: {
    /** Bytes the process holds. */
    held: () => number
    /** Bytes the machine has left. */
    left: () => number
  }
  /** What one job may take, once it has begun. */
  jobMs: number
}

/** Why a job was not judged. */
export type WorkerFailure = 'too slow' | 'too much memory' | 'too many' | 'not started' | 'broken'

export type WorkerQueue = (
  job: ValidationJob,
  position: 'first' | 'last',
  signal: AbortSignal,
) => Promise<Validated | WorkerFailure>

/** More than before, for one job. */
const mostMemory = 512 * 1024 * 1024
const lookEveryMs = 50
/** For a job to have its turn. */
const longestWaitMs = 5_000
/** For a thread to start on a machine that has much to do. */
const longestStartMs = 10_000
/** A thread holds about 20 MB. */
const idleMs = 60_000

interface Entry {
  job: ValidationJob
  settle(outcome: Validated | WorkerFailure): void
  stopWaiting(): void
}

/**
 * One thread and those who wait for it, one job at a time. What takes too long or too much memory is ended together
 * with the thread; the next job gets a new one.
 */
export function createWorkerQueue({ startThread, clock, memory, jobMs }: WorkerQueueOptions): WorkerQueue {
  const waiting = { first: new Set<Entry>(), last: new Set<Entry>() }
  let thread: ValidationWorker | undefined
  let running: Entry | undefined
  let stopIdling = () => {}

  return (job, position, signal) =>
    new Promise((resolve, reject) => {
      const entry: Entry = {
        job,
        settle(outcome) {
          signal.removeEventListener('abort', onAbort)
          resolve(outcome)
        },
        stopWaiting: clock.after(longestWaitMs, () => {
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

  function start(entry: Entry, used: ValidationWorker): void {
    running = entry
    const ceiling = memory.held() + Math.min(mostMemory, memory.left() / 2)
    let deadline = clock.monotonic() + longestStartMs
    let stopLooking = clock.after(lookEveryMs, look)
    used.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (running !== entry) return
      if (data.type === 'begun') deadline = clock.monotonic() + jobMs
      else if (data.type === 'judged') finish(data.validated)
      else finish('broken')
    }
    used.onerror = () => {
      // It may fail with nothing to do, and is of no use then.
      if (running === undefined && thread === used) endThread()
      end('broken')
    }
    used.postMessage(entry.job)

    function look(): void {
      if (running !== entry) return
      if (clock.monotonic() >= deadline) end('too slow')
      else if (memory.held() > ceiling) end('too much memory')
      else stopLooking = clock.after(lookEveryMs, look)
    }

    function end(trouble: WorkerFailure): void {
      if (running !== entry) return
      endThread()
      finish(trouble)
    }

    function finish(outcome: Validated | WorkerFailure): void {
      stopLooking()
      running = undefined
      entry.settle(outcome)
      startNext()
    }
  }

  /** Whoever asked for the running job is gone. */
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

function take(entries: Set<Entry>): Entry | undefined {
  const [next] = entries
  if (next) entries.delete(next)
  return next
}
