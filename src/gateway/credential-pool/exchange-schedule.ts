import type { Clock } from '../../core/clock.ts'

export interface ExchangeScheduleOptions {
  clock: Clock
  /** Runs an exchange. Resolves with whether the database has answered. Never rejects. */
  run: () => Promise<boolean>
  /** The pause before the next planned exchange. */
  pauseMs: () => number
  /** Called after each exchange. */
  onEnd: () => void
  /** Called after an exchange, if no other is due. */
  onIdle: () => void
}

/** Decides when exchanges run. Only one runs at a time. */
export interface ExchangeSchedule {
  /** Runs an exchange now, or after the running one. All calls in one turn of the event loop lead to one exchange. */
  runNow(): void
  /** Runs an exchange after a pause, unless one is planned already. */
  runLater(): void
  isRunning(): boolean
  stop(): void
}

export function exchangeSchedule({ clock, run, pauseMs, onEnd, onIdle }: ExchangeScheduleOptions): ExchangeSchedule {
  let isRunning = false
  // Whether an exchange is due, because something has happened that the running one does not report.
  let isDue = false
  // Whether an exchange follows, when the timer ends or when the running exchange ends.
  let isPlanned = false
  let isStopped = false
  let stopTimer = () => {}

  return {
    runNow,
    runLater() {
      if (isPlanned || isStopped) return
      isPlanned = true
      if (!isRunning) setTimer()
    },
    isRunning: () => isRunning,
    stop() {
      isStopped = true
      stopTimer()
    },
  }

  function runNow(): void {
    if (isStopped) return
    isDue = true
    if (isRunning) return
    isRunning = true
    stopTimer()
    isPlanned = false
    queueMicrotask(() => {
      void runWhileDue().finally(() => {
        // It may have become due after `runWhileDue` last checked.
        if (!isDue) onIdle()
        isRunning = false
        if (isDue) runNow()
        else if (isPlanned && !isStopped) setTimer()
      })
    })
  }

  async function runWhileDue(): Promise<void> {
    while (isDue) {
      isDue = false
      // After a failure the next exchange waits for the pause, whatever has happened meanwhile.
      if (!(await run())) isDue = false
      onEnd()
    }
  }

  function setTimer(): void {
    stopTimer = clock.after(pauseMs(), runNow)
  }
}
