import { createSignals } from '../async/signals.ts'
import { type Clock, withTimeout } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { BackgroundStore } from '../store/background-store.ts'

/** The events of replies in the background that another gateway writes, or has written. */
export interface EventsElsewhere {
  /**
   * The events behind this number, as they come; `undefined` where no gateway has them any more. The stream breaks off if
   * that gateway stops. Errors: `overloaded` while the database is away.
   */
  open(owner: string, id: string, options: EventStreamOptions): Promise<ReadableStream<Uint8Array> | undefined>
}

export interface EventStreamOptions {
  after: number
  keepAlive: { text: string; everyMs: number }
}

/** How long the gateway that has the events has to store the first ones. */
const firstMs = 3_000
/** How often that gateway hears that they are still wanted. */
const renewMs = 2_000
/** How often the database is asked: a message may be lost. */
const askEveryMs = 500
/** How long the database may be away before the stream breaks off. */
const longestAwayMs = 15_000

export function createEventsElsewhere(shared: BackgroundStore, clock: Clock): EventsElsewhere {
  const signals = createSignals()
  shared.listen((message) => {
    if (message?.kind === 'events') signals.send(message.id)
  })

  return {
    async open(owner, id, { after, keepAlive }) {
      if (!(await shared.askForEvents(owner, id)) || !(await isStoredSoon(id))) return undefined
      const next = reader(owner, id, after + 1)
      const encoder = new TextEncoder()
      let isEnd = false
      return new ReadableStream({
        async pull(controller) {
          if (isEnd) {
            controller.close()
            return
          }
          const due = await next(keepAlive.everyMs)
          isEnd = due?.isEnd ?? false
          const text = due ? due.events.join('') : keepAlive.text
          if (text === '') controller.close()
          else controller.enqueue(encoder.encode(text))
        },
      })
    },
  }

  async function isStoredSoon(id: string): Promise<boolean> {
    const deadline = clock.monotonic() + firstMs
    for (;;) {
      const stored = signals.next(id)
      try {
        if (await shared.events.has(id)) return true
        if (clock.monotonic() >= deadline) return false
        await withTimeout(stored.promise, askEveryMs, () => {}, clock)
      } finally {
        stored.stop()
      }
    }
  }

  /**
   * Returns a function that resolves with the next events, or with `undefined` if there are none within so many
   * milliseconds. Errors: `upstream-truncated` if no gateway has them any more.
   */
  function reader(owner: string, id: string, first: number) {
    let from = first
    let renewedAt = clock.monotonic()
    let answeredAt = renewedAt
    return async (withinMs: number): Promise<{ events: string[]; isEnd: boolean } | undefined> => {
      const deadline = clock.monotonic() + withinMs
      for (;;) {
        const stored = signals.next(id)
        try {
          const due = await nextPortion().catch(unlessAwayForLong)
          if (due && (due.isEnd || due.events.length > 0)) {
            from += due.events.length
            return due
          }
          if (clock.monotonic() >= deadline) return undefined
          await withTimeout(stored.promise, Math.min(askEveryMs, withinMs), () => {}, clock)
        } finally {
          stored.stop()
        }
      }
    }

    async function nextPortion() {
      if (clock.monotonic() - renewedAt >= renewMs) {
        if (!(await shared.askForEvents(owner, id))) throw brokenOff()
        renewedAt = clock.monotonic()
      }
      const portion = await shared.events.read(id, from)
      answeredAt = clock.monotonic()
      return portion
    }

    function unlessAwayForLong(thrown: unknown): undefined {
      const isOver = thrown instanceof GatewayError && thrown.kind === 'upstream-truncated'
      if (isOver || clock.monotonic() - answeredAt > longestAwayMs) throw thrown
    }
  }
}

function brokenOff(): GatewayError {
  return new GatewayError('upstream-truncated', 'The gateway that writes this response has stopped.')
}
