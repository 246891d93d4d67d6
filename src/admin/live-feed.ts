import type { Clock } from '../core/clock.ts'
import { sseMessage } from '../core/sse.ts'
import type { LiveRequests } from '../observe/live-requests.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { LiveEvent, StateEvent } from './schema/events.ts'
import type { RequestRow } from './schema/requests.ts'

/** The event stream for open admin pages. */
export interface LiveFeed {
  /**
   * The stream for one page. It ends when it is cancelled, when the feed is closed, or when `isAllowed` returns false.
   * `isAllowed` is called once a second, and before each event.
   */
  open(isAllowed?: () => boolean): ReadableStream<Uint8Array>
  /** Notifies every page of something that has changed. */
  notify(event: LiveEvent): void
  /** Ends all streams, and later ones at once. */
  close(): void
}

export interface LiveFeedOptions {
  clock: Clock
  live: LiveRequests
  rowOf: (record: RequestRecord) => RequestRow
  /** The state without the running requests. */
  state: () => StateEvent
}

/** How often the state is looked at while a page is open, and a sign of life is sent. */
const lookMs = 1_000
const commentMs = 2_000

/** Most events queued for a slow page. Beyond that the queue is dropped and a full state is sent. */
const mostPending = 500

interface Page {
  controller: ReadableStreamDefaultController<Uint8Array>
  isAllowed: () => boolean
  /** What it has not read yet: the newest of each request and of everything else. */
  pending: Map<string, LiveEvent>
  /** It has missed events, so the full state is sent next. */
  missed: boolean
}

const encoder = new TextEncoder()

/**
 * One look a second at the upstreams, however many pages are open, and none without a page. A page that reads slowly holds
 * at most `mostPending` events here; of each request only the newest one waits.
 */
export function createLiveFeed({ clock, live, rowOf, state }: LiveFeedOptions): LiveFeed {
  const pages = new Set<Page>()
  let isClosed = false
  let lastState = ''
  let lastComment = 0
  let stopTimer = () => {}
  let unsubscribe = () => {}

  return { open, notify, close }

  function open(isAllowed = () => true): ReadableStream<Uint8Array> {
    let page: Page | undefined
    return new ReadableStream(
      {
        start(controller) {
          if (isClosed) return controller.close()
          page = { controller, isAllowed, pending: new Map(), missed: true }
          pages.add(page)
          if (pages.size === 1) begin()
        },
        pull() {
          if (page && pages.has(page)) write(page)
        },
        cancel() {
          if (page) leave(page)
        },
      },
      { highWaterMark: 16 },
    )
  }

  function begin(): void {
    lastState = comparable(state())
    lastComment = clock.monotonic()
    unsubscribe = live.subscribe(({ record }) => notify({ event: 'request', data: rowOf(record) }))
    stopTimer = clock.after(lookMs, look)
  }

  function leave(page: Page): void {
    pages.delete(page)
    if (pages.size > 0) return
    stopTimer()
    unsubscribe()
  }

  /** Returns whether the page may receive events. Otherwise its stream ends. */
  function checked(page: Page): boolean {
    if (page.isAllowed()) return true
    leave(page)
    page.controller.close()
    return false
  }

  function look(): void {
    stopTimer = clock.after(lookMs, look)
    for (const page of pages) checked(page)
    if (pages.size === 0) return
    const now = state()
    const text = comparable(now)
    if (text !== lastState) {
      lastState = text
      notify({ event: 'state', data: now })
    }
    if (clock.monotonic() - lastComment < commentMs) return
    lastComment = clock.monotonic()
    for (const { controller } of pages) if (hasRoom(controller)) controller.enqueue(encoder.encode(':\n\n'))
  }

  function notify(event: LiveEvent): void {
    for (const page of pages) {
      page.pending.set(event.event === 'request' ? event.data.id : event.event, event)
      if (page.pending.size > mostPending) {
        page.pending.clear()
        page.missed = true
      }
      write(page)
    }
  }

  function write(page: Page): void {
    const { controller, pending } = page
    if (!hasRoom(controller) || !checked(page)) return
    if (page.missed) {
      page.missed = false
      pending.clear()
      controller.enqueue(encoded({ event: 'state', data: { ...state(), running: live.running().map(rowOf) } }))
    }
    for (const [name, event] of pending) {
      if (!hasRoom(controller)) return
      pending.delete(name)
      controller.enqueue(encoded(event))
    }
  }

  function close(): void {
    isClosed = true
    stopTimer()
    unsubscribe()
    for (const { controller } of pages) controller.close()
    pages.clear()
  }
}

/** Rounds the ends of rests to 5 s: they are computed from durations, so the same end differs a little each time. */
function comparable(state: StateEvent): string {
  return JSON.stringify(state, (name, value: unknown) => (name === 'until' ? Math.round(Number(value) / 5_000) : value))
}

function hasRoom({ desiredSize }: ReadableStreamDefaultController<Uint8Array>): boolean {
  return (desiredSize ?? 0) > 0
}

function encoded({ event, data }: LiveEvent): Uint8Array {
  return encoder.encode(sseMessage(JSON.stringify(data), event))
}
