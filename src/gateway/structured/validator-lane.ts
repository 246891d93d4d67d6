import type { Clock } from '../../core/clock.ts'
import { cancelled } from '../../core/errors.ts'
import type { Validated, ValidationJob } from './validate.ts'

/** What a thread says of its job: that it has begun, its program loaded, and how it ended. */
export type ThreadMessage = { type: 'begun' } | { type: 'judged'; validated: Validated } | { type: 'failed' }

/** A thread that takes one `ValidationJob` after the other and answers in `ThreadMessage`s. */
export type Thread = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>

export interface LaneOptions {
  /** Throws where there is no room for one. */
  startThread: () => Thread
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
export type Trouble = 'too slow' | 'too much memory' | 'too many' | 'not started' | 'broken'

export type Lane = (job: ValidationJob, place: 'first' | 'last', signal: AbortSignal) => Promise<Validated | Trouble>

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
  settle(outcome: Validated | Trouble): void
  stopWaiting(): void
}

/**
 * One thread and those who wait for it, one job at a time. What takes too long or too much memory is ended together
 * with the thread; the next job gets a new one.
 */
export function createLane({ startThread, clock, memory, jobMs }: LaneOptions): Lane {
  const waiting = { first: new Set<Entry>(), last: new Set<Entry>() }
  let thread: Thread | undefined
  let running: Entry | undefined
  let stopIdling = () => {}

  return (job, place, signal) =>
    new Promise((resolve, reject) => {
      const entry: Entry = {
        job,
        settle(outcome) {
          signal.removeEventListener('abort', leave)
          resolve(outcome)
        },
        stopWaiting: clock.after(longestWaitMs, () => {
          waiting[place].delete(entry)
          entry.settle('too many')
        }),
      }
      const leave = () => {
        entry.stopWaiting()
        waiting[place].delete(entry)
        reject(cancelled())
        if (running === entry) abandon()
      }
      if (signal.aborted) {
        leave()
        return
      }
      signal.addEventListener('abort', leave, { once: true })
      waiting[place].add(entry)
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

  function usableThread(): Thread | undefined {
    try {
      thread ??= startThread()
      return thread
    } catch {
      return undefined
    }
  }

  function start(entry: Entry, used: Thread): void {
    running = entry
    const ceiling = memory.held() + Math.min(mostMemory, memory.left() / 2)
    let deadline = clock.monotonic() + longestStartMs
    let stopLooking = clock.after(lookEveryMs, look)
    used.onmessage = ({ data }: MessageEvent<ThreadMessage>) => {
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

    function end(trouble: Trouble): void {
      if (running !== entry) return
      endThread()
      finish(trouble)
    }

    function finish(outcome: Validated | Trouble): void {
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
