import type { Clock } from '../core/clock.ts'

/** A timer in the list of all timers of one duration, which are due in the order in which they were set. */
interface Timer {
  at: number
  run: () => void
  previous: Timer | undefined
  next: Timer | undefined
}

interface Timers {
  first: Timer | undefined
  last: Timer | undefined
}

/** Shorter ones are few, and a delay of theirs would be noticed. */
const shortestMs = 1_000
/** The longest time that the timers of a system take. */
const longestMs = 2 ** 31 - 1

/**
 * `Clock.after` with one timer of the system for all that have the same duration: a request sets five or more, nearly all
 * of which are cancelled. Setting and cancelling one then takes a tenth of the time.
 *
 * Only whole milliseconds are shared. They come from settings, unlike the rest of a duration, which no other timer has.
 */
export function sharedTimers({ monotonic, after }: Omit<Clock, 'now'>): Clock['after'] {
  const byDuration = new Map<number, Timers>()

  return (ms, run) => {
    if (ms < shortestMs || !Number.isInteger(ms)) return after(ms, run)
    let timers = byDuration.get(ms)
    if (timers === undefined) {
      timers = { first: undefined, last: undefined }
      byDuration.set(ms, timers)
      wait(timers, ms, ms)
    }
    return add(timers, { at: monotonic() + ms, run, previous: timers.last, next: undefined })
  }

  function wait(timers: Timers, ms: number, leftMs: number): void {
    after(Math.min(Math.max(leftMs, 1), longestMs), () => runDue(timers, ms))
  }

  function runDue(timers: Timers, ms: number): void {
    const now = monotonic()
    try {
      for (let { first } = timers; first !== undefined && first.at <= now; { first } = timers) {
        remove(timers, first)
        first.run()
      }
    } finally {
      // Also after a timer that throws. The cancelled ones have left the list, so no timer is left for them alone.
      if (timers.first === undefined) byDuration.delete(ms)
      else wait(timers, ms, timers.first.at - now)
    }
  }
}

function add(timers: Timers, timer: Timer): () => void {
  if (timers.last === undefined) timers.first = timer
  else timers.last.next = timer
  timers.last = timer
  return () => {
    // It may have run or been cancelled before.
    if (timer.previous !== undefined || timers.first === timer) remove(timers, timer)
  }
}

function remove(timers: Timers, timer: Timer): void {
  const { previous, next } = timer
  if (previous === undefined) timers.first = next
  else previous.next = next
  if (next === undefined) timers.last = previous
  else next.previous = previous
  timer.previous = undefined
  timer.next = undefined
}
