/** The time span of a budget: a number of hours, such as `5h`, or a calendar span. */
export type BudgetWindow = `${number}h` | 'day' | 'week' | 'month' | 'total'

/** Epoch milliseconds. */
export interface WindowSpan {
  /** 0 for a window of hours that has not begun, and for `total`. */
  startedAt: number
  /** Absent if the window never ends or has not begun. */
  resetsAt?: number
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** 1970-01-05 was a Monday. */
const firstMonday = 4 * dayMs
const mostHours = 8_760

/** Whether a text is a window, as in `5h`, `day`, `week`, `month` or `total`. */
export function isWindow(text: string): text is BudgetWindow {
  const hours = hoursOf(text)
  return hours === undefined
    ? ['day', 'week', 'month', 'total'].includes(text)
    : hours >= 1 && hours <= mostHours && text === `${hours}h`
}

/**
 * The window of a request that is admitted at `now`. `startedAt` is the start of the previous window.
 *
 * Days, weeks (from Monday on) and months are in UTC. A window of hours begins with the first request in it, as in
 * Z.AI's plans. A window never ends early: if the clock was set back, the current window continues.
 */
export function windowAt(window: BudgetWindow, startedAt: number, now: number): WindowSpan {
  if (window === 'total') return { startedAt: 0 }
  const hours = hoursOf(window)
  if (hours !== undefined) {
    const begins = startedAt === 0 || now >= startedAt + hours * hourMs ? now : startedAt
    return { startedAt: begins, resetsAt: begins + hours * hourMs }
  }
  const begins = Math.max(startedAt, calendarStart(window, now))
  return { startedAt: begins, resetsAt: nextStart(window, begins) }
}

/** The current window for display. After a window of hours ends, the next one starts only with a request. */
export function windowSeenAt(window: BudgetWindow, startedAt: number, now: number): WindowSpan {
  const next = windowAt(window, startedAt, now)
  return hoursOf(window) !== undefined && next.startedAt !== startedAt ? { startedAt: 0 } : next
}

function hoursOf(window: string): number | undefined {
  const [, digits] = /^(\d{1,4})h$/.exec(window) ?? []
  return digits === undefined ? undefined : Number(digits)
}

function calendarStart(window: BudgetWindow, now: number): number {
  if (window === 'day') return now - (now % dayMs)
  if (window === 'week') return now - ((now - firstMonday) % (7 * dayMs))
  const date = new Date(now)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
}

function nextStart(window: BudgetWindow, startedAt: number): number {
  if (window === 'day') return startedAt + dayMs
  if (window === 'week') return startedAt + 7 * dayMs
  const date = new Date(startedAt)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}
