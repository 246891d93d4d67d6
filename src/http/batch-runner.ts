import type { Dialect } from '../core/dialect.ts'
import { yieldBetweenSteps } from '../core/yield-between-steps.ts'
import { activeBatches, isCancelled } from './active-batches.ts'
import { type BatchRequestOptions, runBatchRequest } from './batch-request.ts'

export interface BatchRunnerOptions extends BatchRequestOptions {
  dialects: readonly Dialect[]
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
/** How often this gateway renews its claim to batches, and takes over those of gateways that have stopped. */
const lookEveryMs = 5_000

/**
 * Works in rounds: batches are claimed, those that are over are ended, and requests are begun. The requests wait in the
 * pools behind all others. There is one round at a time, and one more if something has changed meanwhile.
 */
export function createBatchRunner(options: BatchRunnerOptions): BatchRunner {
  const { store, clock, log } = options
  const batches = activeBatches(options)
  // How many requests are under way, of all batches.
  let running = 0
  let isStopped = false
  // Whether a round is running, and whether another one is due.
  let isBusy = false
  let isDue = false
  let isFailing = false
  let stopTimer = () => {}
  const stopListening = store.onCancel(wake)
  if (store.isLasting) stopTimer = clock.after(0, wake)

  return {
    wake,
    stop() {
      isStopped = true
      stopListening()
      stopTimer()
      batches.abortAll()
    },
  }

  function wake(): void {
    isDue = true
    if (isBusy || isStopped) return
    isBusy = true
    stopTimer()
    void rounds().finally(() => {
      isBusy = false
      const isWorking = store.isLasting || batches.size > 0 || isFailing
      if (isWorking && !isStopped) stopTimer = clock.after(Math.min(lookEveryMs, batches.pauseMs()), wake)
    })
  }

  async function rounds(): Promise<void> {
    try {
      while (isDue && !isStopped) {
        isDue = false
        const claimed = await store.claim()
        batches.update(claimed, { addsNew: !isStopped })
        await endFinished()
        await startRequests()
        isFailing = false
      }
    } catch (thrown) {
      if (!isFailing) log('warn', 'batches could not be worked on; this is tried again', { cause: thrown })
      isFailing = true
    }
  }

  async function endFinished(): Promise<void> {
    for (const active of batches.finished()) {
      const { id, owner } = active.batch
      const ended = await store.end(id, isCancelled(active) ? 'canceled' : 'expired')
      if (ended) log('info', 'a batch has ended', { id, caller: owner, ...ended.counts })
    }
  }

  async function startRequests(): Promise<void> {
    const yieldIfLong = yieldBetweenSteps(clock, Number.POSITIVE_INFINITY)
    while (running < mostAtOnce && !isStopped) {
      const next = await batches.next()
      if (next === undefined) return
      running++
      void runBatchRequest(next.active, next.request, options).finally(() => {
        running--
        wake()
      })
      await yieldIfLong()
    }
  }
}
